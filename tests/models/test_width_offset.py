"""The offset that follows how widely ratings spread at present."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fitted_set import Fitted

from events import event_columns
from reelstream.features.holdout import is_trainable
from reelstream.models.like.width_offset import WidthOffset
from reelstream.models.replay import predict_events


def learned(spread: float, known: int, n: int) -> WidthOffset:
    """After n ratings of users with so many known ones, which spread so much wider than said."""
    offset = WidthOffset()
    for error in np.random.default_rng(0).normal(0.0, spread, n).tolist():
        offset.update(known, error)
    return offset


@pytest.mark.parametrize("spread", [0.7, 1.0, 1.5])
def test_widths_come_to_hold_the_shares_of_a_normal_law(spread: float) -> None:
    assert learned(spread, 50, 4000).of(50) == pytest.approx(np.log(spread), abs=0.05)


def test_what_is_learned_of_a_group_counts_for_its_neighbours_and_less_the_farther() -> None:
    """So the first newcomers have widths by those who came just before them."""
    moved = learned(0.7, 3, 30).at(np.array([3, 0, 20, 100, 1000]))
    assert (moved < 0).all() and moved.argsort().tolist() in ([0, 1, 2, 3, 4], [0, 2, 1, 3, 4])


def test_one_rating_far_off_moves_a_width_little() -> None:
    offset = learned(1.0, 50, 500)
    before = offset.of(50)
    offset.update(50, 1e6)
    assert 0 < offset.of(50) - before < 0.05


def test_live_updates_move_it_as_a_replay_does_and_an_answer_has_it_in_its_width(
    fitted: Fitted,
) -> None:
    model_set = fitted.model_set
    item_ids = model_set.rating.item_ids[:3]
    events = event_columns(
        [10**6] * 3, item_ids, [0.5, 5.0, 0.5], [1000, 2000, 3000], offset=[2, 3, 4]
    )
    assert is_trainable(events).all(), "items learn from all of them"
    every, replayed, live = np.ones(3, bool), model_set.online_items(), model_set.online_items()
    answers = predict_events(model_set, events, every, every, replayed)
    for n in range(3):
        state = model_set.fold_in(events[:n])
        alone = model_set.predict(state, item_ids[n : n + 1], 1000 * (n + 1), live)
        np.testing.assert_allclose(alone.sd, answers.sd[n : n + 1], rtol=1e-5)
        rating = float(events.rating[n])
        model_set.update_item(state, int(item_ids[n]), rating, 1000 * (n + 1), live)
    np.testing.assert_allclose(live.width_offset.mean, replayed.width_offset.mean, rtol=1e-4)
    state, query = model_set.fold_in(events), item_ids[:1]
    wide = model_set.predict(state, query, 4000, live).sd
    live.width_offset = WidthOffset()
    narrow = model_set.predict(state, query, 4000, live).sd
    assert replayed.width_offset.of(3) > 0 and wide > narrow


def test_it_is_saved_with_the_items(fitted: Fitted, tmp_path: Path) -> None:
    items, again = fitted.model_set.online_items(), fitted.model_set.online_items()
    items.width_offset = learned(2.0, 3, 10)
    items.save(tmp_path)
    again.restore(tmp_path)
    np.testing.assert_array_equal(again.width_offset.mean, items.width_offset.mean)
    np.testing.assert_array_equal(again.width_offset.cov, items.width_offset.cov)
    (tmp_path / "width_offset.npy").unlink()
    again.restore(tmp_path)
