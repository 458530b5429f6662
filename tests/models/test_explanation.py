"""Parts of a prediction: they add up, and say what a deletion would change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reelstream.models.explanation import Explanation, explain
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.echo import N_GAPS
from reelstream.ratings.columns import EventColumns

pytestmark = pytest.mark.xdist_group("small set")

HOUR = 3_600
ITEMS = np.arange(1, 31)


@pytest.fixture(scope="module")
def users(small_model_set: ModelSet) -> list[EventColumns]:
    """Histories of 1 to 25 ratings, some of which the set was trained on, in sittings."""
    rng = np.random.default_rng(1)
    known = small_model_set.rating.item_ids
    histories = []
    for user_id, n in enumerate((1, 2, 5, 25, 25), start=1):
        times = 1_000_000_000 + np.cumsum(rng.choice([60, 30 * 24 * HOUR], size=n, p=[0.8, 0.2]))
        items = rng.choice(known, size=n, replace=False)
        ratings = rng.integers(1, 11, size=n) / 2
        offsets = 10_000 * rng.integers(0, 2, size=n) + np.arange(n)
        histories.append(
            EventColumns.of(np.full(n, user_id), items, ratings, times, offset=offsets)
        )
    return histories


def explained(
    model_set: ModelSet, history: EventColumns, item_id: int, at: int
) -> tuple[Explanation, float]:
    """With the prediction itself."""
    state = model_set.fold_in(history)
    row = model_set.online_items().row_of(item_id)
    found = explain(model_set, state, history, (item_id, row), at)
    return found, float(model_set.predict(state, np.array([item_id]), at).mean[0])


@pytest.fixture(scope="module")
def echoing(small_model_set: ModelSet) -> ModelSet:
    """The set, had it learned a strong echo of ratings a minute before."""
    rating = small_model_set.rating
    echo = np.full((rating.n_draws, N_GAPS), 0.2)
    rating = replace(rating, draws=replace(rating.draws, echo=echo))
    return replace(small_model_set, models=small_model_set.models.replaced(rating=rating))


@pytest.mark.parametrize("later", [0, 20, HOUR, 400 * 24 * HOUR])
def test_parts_add_up_to_the_prediction(
    echoing: ModelSet, users: list[EventColumns], later: int
) -> None:
    """Within a thousandth of a star, whenever it is for, and whatever echoes."""
    for history in users:
        for item_id in (*ITEMS.tolist()[:5], int(echoing.rating.item_ids[-1])):
            at = int(history.timestamp[-1]) + later
            found, predicted = explained(echoing, history, item_id, at)
            assert found.mean == pytest.approx(predicted, abs=1e-3)
            assert len(found.ratings) == len(history)


def test_somebody_without_ratings_is_told_what_everyone_is(small_model_set: ModelSet) -> None:
    """The film's own parts are all there is."""
    found, predicted = explained(small_model_set, EventColumns.empty(), 1, 0)
    assert found.mean == pytest.approx(predicted, abs=1e-4) and len(found.ratings) == 0


def test_a_film_without_ratings_has_no_quality_of_its_own(
    small_model_set: ModelSet, users: list[EventColumns]
) -> None:
    """Only what genres and year say of it."""
    rated = set(small_model_set.rating.item_ids.tolist())
    film = next((film for film in small_model_set.catalog if film.item_id not in rated), None)
    item_id = 10**6 if film is None else film.item_id
    row = small_model_set.online_items().row_of(item_id)
    state = small_model_set.fold_in(users[3])
    found = explain(small_model_set, state, users[3], (item_id, row), 2_000_000_000)
    assert found.quality == pytest.approx(0, abs=1e-6)


def test_without_says_what_a_deletion_does(
    small_model_set: ModelSet, users: list[EventColumns]
) -> None:
    """Each rating is taken out and the user folded in again: what moves is what was said, to what
    the weights of the grid points make of it.
    """
    said, done = [], []
    for history in users[2:]:
        at = int(history.timestamp[-1])
        for item_id in ITEMS.tolist()[:3]:
            found, predicted = explained(small_model_set, history, item_id, at)
            for place in range(len(history)):
                others = history[np.arange(len(history)) != place]
                _, left = explained(small_model_set, others, item_id, at)
                said.append(found.without[place])
                done.append(left - predicted)
    error = np.abs(np.array(said) - np.array(done))
    size = np.abs(done)
    assert np.corrcoef(said, done)[0, 1] > 0.97
    assert error.mean() < 0.25 * size.mean()


def test_a_better_rating_adds_more(small_model_set: ModelSet, users: list[EventColumns]) -> None:
    """Of the film itself: the part grows by the weight of the rating, whatever else is there."""
    history, place = users[3], 24
    item_id, at = int(history.item_id[place]), int(history.timestamp[-1])
    parts = []
    for rating in (1.0, 5.0):
        ratings = history.rating.copy()
        ratings[place] = rating
        changed = EventColumns.of(
            history.user_id, history.item_id, ratings, history.timestamp, offset=history.offset
        )
        found, _ = explained(small_model_set, changed, item_id, at)
        parts.append(found.ratings[place])
    assert parts[1] > parts[0]
