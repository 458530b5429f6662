"""What the record of a batch makes of users who are forgotten."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mean_engine import CATALOG, SCALE, mean_models
from reelstream.models.base import ModelSet, TrainedOn
from reelstream.ratings import EVERY_ITEM, RatingColumns
from reelstream.storage.history import History
from reelstream.training.prequential import replay_batch

FAN, STRANGER = 1, 2


@pytest.fixture
def model_set() -> ModelSet:
    """A set that has learned of other users, with a little mood, so that times count."""
    user, item = np.indices((50, 60)).reshape(2, -1) + np.array([[100], [0]])
    ratings = RatingColumns.of(user, item, (user * 7 + item * 3) % 9 / 2 + 0.5, user + item).by_user()
    models = mean_models(ratings, History.of(ratings).starts, CATALOG)
    models.rating.draws.mood_variance[:] = 0.01
    return ModelSet(1, models.rating, models.like, models.segment, CATALOG, SCALE, TrainedOn({}, {}))


def rated(user: int, first_item: int, first_time: int, n: int = 20) -> RatingColumns:
    """The best ratings, one a second."""
    steps = np.arange(n)
    return RatingColumns.of([user] * n, first_item + steps, [5.0] * n, first_time + steps, offset=first_time + steps)


def forget(user: int, time: int) -> RatingColumns:
    return RatingColumns.of([user], [EVERY_ITEM], [np.nan], [time], offset=[time])


def test_a_user_who_is_forgotten_within_a_batch_begins_anew(model_set: ModelSet) -> None:
    """Up to that moment all is known, afterwards nothing of it: as if somebody else had come."""
    history = History.of(rated(FAN, 0, 100))
    before, after = rated(FAN, 20, 200), rated(FAN, 40, 400)
    batch = RatingColumns.concatenate([after, forget(FAN, 300), before])
    forgotten = replay_batch(2, batch, history, model_set, SCALE)
    other = RatingColumns.concatenate([before, replace(after, user_id=np.full(len(after), STRANGER))])
    expected = replay_batch(2, other, history, model_set, SCALE)
    assert (forgotten.live_users, forgotten.static) == (expected.live_users, expected.static)
    known = replay_batch(2, RatingColumns.concatenate([before, after]), history, model_set, SCALE)
    assert known.static is not None and forgotten.static is not None and forgotten.live is not None
    assert known.static.rmse < forgotten.static.rmse
    assert forgotten.live.n == 40


def test_what_is_forgotten_when_it_comes_is_passed_over(model_set: ModelSet) -> None:
    """A rating that is older than the wish to be forgotten is neither predicted nor learned."""
    history = History.of(forget(FAN, 300))
    late, after = rated(FAN, 0, 200), rated(FAN, 20, 400)
    replayed = replay_batch(2, RatingColumns.concatenate([late, after]), history, model_set, SCALE)
    assert replayed == replay_batch(2, after, history, model_set, SCALE)


def test_a_batch_of_wishes_alone_has_an_empty_record(model_set: ModelSet) -> None:
    history = History.of(rated(FAN, 0, 100))
    replayed = replay_batch(2, forget(FAN, 300), history, model_set, SCALE)
    assert replayed.live is not None and replayed.live.n == replayed.biases.n == 0
