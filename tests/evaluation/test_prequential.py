"""What the record of a batch makes of users who are forgotten, and of more users than it can
ask.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from events import event_columns
from mean_engine import CATALOG, N_USERS, SCALE, TrainingWorld, close_batch, mean_models
from reelstream.evaluation.baselines import ItemSums
from reelstream.evaluation.prequential import replay_batch
from reelstream.evaluation.reports import BatchScores
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.histories import Histories
from reelstream.training import record as recording
from reelstream.training.record import replay_batches

FAN, STRANGER = 1, 2


@pytest.fixture
def model_set() -> ModelSet:
    """A set that has learned of other users, with a little mood, so that times count."""
    user, item = np.indices((50, 60)).reshape(2, -1) + np.array([[100], [0]])
    ratings = event_columns(user, item, (user * 7 + item * 3) % 9 / 2 + 0.5, user + item).by_user()
    models = mean_models(ratings, Histories.of(ratings).starts, CATALOG)
    models.rating.draws.session_variance[:] = 0.01
    return ModelSet(
        number=1, models=models, catalog=CATALOG, scale=SCALE, trained_on=TrainedOn({}, {})
    )


def rated(user: int, first_item: int, first_time: int, n: int = 20) -> EventColumns:
    """The best ratings, one a second."""
    steps = np.arange(n)
    return event_columns(
        [user] * n, first_item + steps, [5.0] * n, first_time + steps, offset=first_time + steps
    )


def replay(batch: EventColumns, history: Histories, model_set: ModelSet) -> BatchScores:
    return replay_batch(2, batch, history, ItemSums.of(history.ratings), model_set, SCALE)


def forget(user: int, time: int) -> EventColumns:
    return event_columns([user], [NO_ITEM], [np.nan], [time], offset=[time])


def test_a_user_who_is_forgotten_within_a_batch_begins_anew(model_set: ModelSet) -> None:
    """Up to that moment all is known, afterwards nothing of it: as if somebody else had come."""
    history = Histories.of(rated(FAN, 0, 100))
    before, after = rated(FAN, 20, 200), rated(FAN, 40, 400)
    batch = EventColumns.concatenate([after, forget(FAN, 300), before])
    forgotten = replay(batch, history, model_set)
    other = EventColumns.concatenate(
        [before, replace(after, user_id=np.full(len(after), STRANGER))]
    )
    expected = replay(other, history, model_set)
    assert (forgotten.live_users, forgotten.static) == (expected.live_users, expected.static)
    known = replay(EventColumns.concatenate([before, after]), history, model_set)
    assert known.static is not None and forgotten.static is not None and forgotten.live is not None
    assert known.static.rmse < forgotten.static.rmse
    assert forgotten.live.n == 40


def test_what_is_forgotten_when_it_comes_is_passed_over(model_set: ModelSet) -> None:
    """A rating that is older than the wish to be forgotten is neither predicted nor learned."""
    history = Histories.of(forget(FAN, 300))
    late, after = rated(FAN, 0, 200), rated(FAN, 20, 400)
    replayed = replay(EventColumns.concatenate([late, after]), history, model_set)
    assert replayed == replay(after, history, model_set)


def test_a_batch_of_wishes_alone_has_an_empty_record(model_set: ModelSet) -> None:
    history = Histories.of(rated(FAN, 0, 100))
    replayed = replay(forget(FAN, 300), history, model_set)
    assert replayed.live is not None and replayed.live.n == replayed.biases.n == 0


def test_of_very_many_ratings_an_even_sample_of_users_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third user, with all ratings of each, known and new; the baselines still know
    everybody's.
    """
    world = TrainingWorld(tmp_path)
    close_batch(world.batches, 6000)
    world.trainer.run_once()
    model_set = world.registry.load_current(CATALOG)[1]
    new = [close_batch(world.batches, 2000), close_batch(world.batches, 1000)]

    def record(folder: object) -> list[BatchScores]:
        return replay_batches(folder, new, world.histories.stored(), model_set, SCALE)  # type: ignore[arg-type]

    everybody = record(world.batches)
    assert [scores.biases.n for scores in everybody] == [2000, 1000]
    monkeypatch.setattr(recording, "MAX_ROWS", 4000)
    some = record(world.batches)
    asked = np.arange(N_USERS)[::3]

    class Chosen:
        """The batches of these users alone."""

        def read(self, manifest: object) -> EventColumns:
            batch = world.batches.read(manifest)  # type: ignore[arg-type]
            return batch[np.isin(batch.user_id, asked)]

    monkeypatch.undo()
    alone = record(Chosen())
    for sample, other in zip(some, alone, strict=True):
        assert (sample.live, sample.live_users, sample.static) == (
            other.live,
            other.live_users,
            other.static,
        )
        assert 0 < sample.biases.n == other.biases.n < 1000
    assert some[0].biases == alone[0].biases
