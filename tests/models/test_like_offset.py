"""The offset that follows how likely likes are at present."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_set import Fitted
from scipy.special import expit, logit

from events import event_columns
from reelstream.models.like.offset import LikeOffset
from reelstream.models.replay import posterior_of_events


def test_it_follows_ratings_that_are_liked_less_than_predicted() -> None:
    rng = np.random.default_rng(0)
    offset, log_odds = LikeOffset(), rng.normal(0.0, 1.0, 4000)
    for each in log_odds.tolist():
        offset.update(each, liked=bool(rng.random() < expit(each - 0.5)))
    assert offset.value == pytest.approx(-0.5, abs=0.2)


def test_ratings_as_predicted_leave_it_near_zero() -> None:
    rng = np.random.default_rng(1)
    offset = LikeOffset()
    for _ in range(4000):
        offset.update(0.3, liked=bool(rng.random() < expit(0.3)))
    assert abs(offset.value) < 0.2


def test_live_updates_move_it_as_a_replay_does(fitted: Fitted) -> None:
    """And an answer has it in its log odds."""
    model_set = fitted.model_set
    item_ids = model_set.rating.item_ids[:3]
    # At places that are not held out.
    events = event_columns(
        [10**6] * 3, item_ids, [1.0, 1.0, 1.0], [1000, 2000, 3000], offset=[2, 3, 4]
    )
    replayed = model_set.online_items()
    every = np.ones(3, bool)
    posterior_of_events(model_set, events, every, every, replayed)
    live = model_set.online_items()
    for n in range(3):
        state = model_set.fold_in(events[:n])
        model_set.update_item(state, int(item_ids[n]), 1.0, 1000 * (n + 1), live)
    assert live.like_offset.value == pytest.approx(replayed.like_offset.value, rel=1e-4)
    assert live.like_offset.value < 0
    state, at = model_set.fold_in(events), 4000
    with_offset = model_set.predict(state, item_ids[:1], at, live).like_probability
    live.like_offset = LikeOffset()
    without = model_set.predict(state, item_ids[:1], at, live).like_probability
    moved = logit(with_offset) - logit(without)
    np.testing.assert_allclose(moved, replayed.like_offset.value, rtol=1e-3)
