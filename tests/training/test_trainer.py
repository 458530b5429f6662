"""The trainer makes one set of every batch, judges it, and keeps the histories in line."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mean_engine import CATALOG, TrainingWorld, close_batch
from reelstream.errors import DamagedError, LockedError, SettingError
from reelstream.evaluation import gate
from reelstream.evaluation.sampled_lists import MAX_BATCH_LISTS
from reelstream.features.holdout import judges_at_gate
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import effective_ratings
from reelstream.storage.batch_files import Manifest, OffsetRange
from reelstream.training.rebuild import rebuild
from reelstream.training.trainer import MAX_SETS_PER_BACKLOG, Trainer

ENOUGH = 16_000
"""Ratings of a batch that gives the gate more than 200."""


@pytest.fixture
def world(tmp_path: Path) -> TrainingWorld:
    return TrainingWorld(tmp_path)


def held(world: TrainingWorld) -> tuple[list[int], list[int], int]:
    """Manifests and exclusions of the current history, and its length."""
    current = world.histories.current()
    assert current is not None
    history, meta = current
    return [number for number, _ in meta.manifests], meta.excluded, len(history)


def latest(world: TrainingWorld, *numbers: int) -> int:
    manifests = [manifest for manifest in world.batches.manifests() if manifest.number in numbers]
    return len(
        effective_ratings(
            EventColumns.concatenate(world.batches.read(manifest) for manifest in manifests)
        )
    )


def test_a_set_for_every_batch(world: TrainingWorld) -> None:
    """Batches that wait get a set each, in order, each going on from the one before; then nothing
    is new.
    """
    assert world.trainer.run_once() == []
    manifests = [close_batch(world.batches) for _ in range(3)]
    releases = world.trainer.run_once()
    assert [release.number for release in releases] == [1, 2, 3]
    assert [release.champion for release in releases] == [None, 1, 2]
    assert [job.previous is None for job in world.engine.jobs] == [True, False, False]
    assert releases[-1].manifests == [(1, 1), (2, 1), (3, 1)]
    assert releases[-1].trained_end_offsets == manifests[-1].next_offsets
    current = world.registry.current()
    assert current is not None
    assert current.number == 3
    assert held(world) == ([1, 2, 3], [], latest(world, 1, 2, 3))
    assert world.trainer.run_once() == []


def test_after_a_set_with_another_holdout_the_next_starts_cold(
    world: TrainingWorld, tmp_path: Path
) -> None:
    """An earlier version has learned from what judges now. Its set is compared with nothing, and
    only segments go on from it, which keep their numbers.
    """
    close_batch(world.batches)
    world.trainer.run_once()
    path = world.root / "models" / "release_1.json"
    written = json.loads(path.read_bytes())
    del written["holdout_rule"]
    path.write_text(json.dumps(written))
    for _ in range(2):
        close_batch(world.batches)
    second, third = world.trainer.run_once()
    assert second.gate.verdict == "first" and "another holdout" in second.gate.reason
    assert second.champion == 1 and second.record[0].model_set == 1
    assert third.gate.verdict != "first"
    previous = [job.previous for job in world.engine.jobs]
    assert previous[1] is not None and set(previous[1]) == {"like", "segment"}
    assert previous[2] is not None and {"rating", "choice"} < set(previous[2])
    with pytest.raises(SettingError, match="held out other ratings"):
        rebuild(1, world.stores, world.engine, CATALOG, tmp_path)


def test_a_loaded_set_answers_like_the_fitted_one(world: TrainingWorld) -> None:
    """What the release and its folders hold is the whole set."""
    close_batch(world.batches)
    world.trainer.run_once()
    release, model_set = world.registry.load_current(CATALOG)
    assert model_set.number == release.number == 1
    assert model_set.trained_on.trained_end_offsets == release.trained_end_offsets
    history, _ = world.histories.current() or pytest.fail("no history")
    user = int(history.user_ids[0])
    mine = history.of_user(user)
    answers = model_set.predict(model_set.fold_in(mine), mine.item_id, int(mine.timestamp[-1]))
    assert np.abs(answers.mean - mine.rating).mean() < 1.0


def test_a_long_backlog_gets_one_set(world: TrainingWorld) -> None:
    """After a long pause one set takes all batches; the record still has an entry for each, and who
    predicted it.
    """
    close_batch(world.batches)
    world.trainer.run_once()
    for _ in range(MAX_SETS_PER_BACKLOG + 1):
        close_batch(world.batches)
    (release,) = world.trainer.run_once()
    assert release.number == MAX_SETS_PER_BACKLOG + 2
    assert [entry.batch for entry in release.record] == list(range(2, release.number + 1))
    assert {entry.model_set for entry in release.record} == {1}
    assert [number for number, _ in release.manifests] == list(range(1, release.number + 1))


@pytest.mark.slow
def test_the_record_is_made_before_learning(world: TrainingWorld) -> None:
    """A batch is predicted by the set in service with the history before it, live and static,
    beside baselines.
    """
    for _ in range(2):
        close_batch(world.batches, 3000)
    first, second = (release.record[0] for release in world.trainer.run_once())
    assert (first.batch, first.model_set, first.live, first.static) == (1, None, None, None)
    assert (second.batch, second.model_set) == (2, 1)
    assert second.live is not None
    assert second.static is not None
    assert second.live.n == second.global_mean.n == 3000
    assert second.live.rmse < second.static.rmse < second.global_mean.rmse
    assert second.biases.rmse < second.global_mean.rmse
    assert first.ranking is None
    assert second.ranking is not None
    assert 0 < second.ranking.n_users <= second.ranking.n == MAX_BATCH_LISTS


@pytest.mark.slow
def test_the_record_has_a_moving_window(world: TrainingWorld) -> None:
    """The last 2,000 ratings at several places of a batch, the last of them its end; with every
    score of the batch.
    """
    for n in (3000, 4500, 1999):
        close_batch(world.batches, n)
    first, second, third = (release.record[0] for release in world.trainer.run_once())
    assert (first.windows, third.windows) == ([], [])
    assert [window.ratings for window in second.windows] == [2500, 3500, 4500]
    for window in second.windows:
        assert {scores.n for scores in (window.live, window.static, window.live_users)} == {2000}
        assert None not in (
            window.live.rmse,
            window.live.auc,
            window.live.log_loss,
            window.live.log_likelihood,
        )
        assert window.live.rmse < window.static.rmse
    assert second.live is not None
    assert min(each.live.rmse for each in second.windows) < second.live.rmse + 0.02


@pytest.mark.slow
def test_a_long_batch_has_twenty_windows(world: TrainingWorld) -> None:
    close_batch(world.batches, 3000)
    close_batch(world.batches, 40_000)
    windows = world.trainer.run_once()[1].record[0].windows
    assert [window.ratings for window in windows] == list(range(2000, 40_001, 2000))


@pytest.mark.slow
def test_shuffling_a_batch_changes_no_static_prediction_of_it(tmp_path: Path) -> None:
    """Nothing of a batch leaks into what predicts it: with other ratings in the batch, the answers
    stay.
    """
    errors = []
    for shuffled in (False, True):
        world = TrainingWorld(tmp_path / str(shuffled))
        close_batch(world.batches, 3000)
        close_batch(world.batches, 3000, shuffled=shuffled)
        static = world.trainer.run_once()[1].record[0].static
        assert static is not None
        errors.append(static.rmse)
    assert errors[0] < errors[1] - 0.2


@pytest.mark.slow
def test_the_next_set_is_made_without_a_forgotten_user(world: TrainingWorld) -> None:
    """Neither learned nor held out: the ratings of before are in no count, no history and no
    gate.
    """
    close_batch(world.batches, 3000)
    close_batch(world.batches, 3000, forgets=range(100))
    second = world.trainer.run_once()[1]
    everything = EventColumns.concatenate(
        world.batches.read(manifest) for manifest in world.batches.manifests()
    )
    remaining = effective_ratings(everything)
    assert remaining.user_id.min() == 100
    after = world.batches.read(world.batches.manifests()[1])
    after = after[after.is_rating]
    assert after.user_id.min() == 100, "the batch files were rewritten"
    assert second.manifests == [(1, 2), (2, 2)]
    assert held(world) == ([1, 2], [], len(remaining))
    assert world.registry.load(2, CATALOG).rating.item_counts.sum() == len(remaining)
    assert second.holdout.n == judges_at_gate(remaining).sum()
    assert second.record[0].live is not None and second.record[0].live.n == len(after)
    close_batch(world.batches, 3000)
    world.trainer.run_once()
    assert held(world) == ([1, 2, 3], [], latest(world, 1, 2, 3))


@pytest.mark.slow
def test_a_worse_set_is_refused_and_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused set is kept and not served; the next set goes on from the one in service, and is
    compared with it.
    """
    monkeypatch.setattr(gate, "MIN_RANKED_USERS", 20)
    world = TrainingWorld(tmp_path, spoiled={2})
    for _ in range(3):
        close_batch(world.batches, ENOUGH)
    first, second, third = world.trainer.run_once()
    assert first.gate.verdict == "first"
    assert second.gate.verdict == "refused"
    assert "earlier batch" in second.gate.reason
    assert (third.champion, third.gate.verdict) == (1, "accepted")
    assert third.gate.ranking is not None
    assert third.gate.ranking.challenger_ndcg_10 == third.holdout.ndcg_10
    assert third.record[0].model_set == 1
    assert world.registry.load(2, CATALOG).number == 2
    assert held(world)[0] == [1, 2, 3], "histories are of batches, not of sets"


@pytest.mark.slow
def test_a_poisoned_batch_is_refused_until_it_is_excluded(world: TrainingWorld) -> None:
    """Shuffled ratings are refused; once the batch is excluded it is in no fit and no history, and
    the next set is accepted.
    """
    close_batch(world.batches, ENOUGH)
    close_batch(world.batches, ENOUGH)
    poisoned = close_batch(world.batches, ENOUGH, shuffled=True)
    verdicts = [release.gate.verdict for release in world.trainer.run_once()]
    assert verdicts == ["first", "accepted", "refused"]
    current = world.registry.current()
    assert current is not None
    assert current.number == 2
    world.batches.exclude(3)
    assert world.trainer.run_once() == []
    assert held(world) == ([1, 2], [3], latest(world, 1, 2)), "histories follow at once"
    close_batch(world.batches, ENOUGH)
    (release,) = world.trainer.run_once()
    assert (release.number, release.champion, release.gate.verdict) == (4, 2, "accepted")
    assert release.excluded == [3]
    assert release.excluded_offsets == {
        partition: ((taken.first, taken.next),) for partition, taken in poisoned.partitions.items()
    }
    assert held(world) == ([1, 2, 4], [3], latest(world, 1, 2, 4))
    world.batches.include(3)
    world.trainer.run_once()
    assert held(world) == ([1, 2, 3, 4], [], latest(world, 1, 2, 3, 4))


@pytest.mark.slow
def test_excluding_a_batch_that_later_sets_were_refused_for_makes_a_set_at_once(
    world: TrainingWorld,
) -> None:
    """Nobody must wait for the next batch: the set is the one that the remaining batches give,
    under the next number.
    """
    for shuffled in (False, False, True, False):
        close_batch(world.batches, ENOUGH, shuffled=shuffled)
    verdicts = [release.gate.verdict for release in world.trainer.run_once()]
    assert verdicts == ["first", "accepted", "refused", "refused"]
    world.batches.exclude(3)
    (release,) = world.trainer.run_once()
    assert (release.number, release.last_batch, release.champion) == (5, 4, 2)
    assert release.gate.verdict == "accepted"
    assert [number for number, _ in release.manifests] == [1, 2, 4]
    assert world.trainer.run_once() == [], "once"
    close_batch(world.batches, ENOUGH)
    (release,) = world.trainer.run_once()
    assert (release.number, release.last_batch, release.gate.verdict) == (6, 5, "accepted")


@pytest.mark.slow
def test_excluding_a_batch_of_the_set_in_service_replaces_the_set(world: TrainingWorld) -> None:
    close_batch(world.batches, ENOUGH)
    close_batch(world.batches, ENOUGH)
    world.trainer.run_once()
    world.batches.exclude(2)
    (release,) = world.trainer.run_once()
    assert (release.number, release.manifests, release.excluded) == (3, [(1, 1)], [2])
    assert held(world) == ([1], [2], latest(world, 1))


def test_an_excluded_new_batch_gets_no_set(world: TrainingWorld) -> None:
    """A batch that is excluded before it is trained is passed over, and its offsets count as
    read.
    """
    close_batch(world.batches)
    close_batch(world.batches)
    world.batches.exclude(2)
    assert [release.number for release in world.trainer.run_once()] == [1]
    third = close_batch(world.batches)
    (release,) = world.trainer.run_once()
    assert (release.number, release.manifests, release.excluded) == (3, [(1, 1), (3, 1)], [2])
    assert release.trained_end_offsets == third.next_offsets
    assert held(world) == ([1, 3], [2], latest(world, 1, 3))


@pytest.mark.parametrize("name", ["starts.npy", "meta.json"])
@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b""), Path.unlink], ids=["emptied", "removed"]
)
def test_a_damaged_history_is_made_again(
    world: TrainingWorld, name: str, damage: Callable[[Path], None]
) -> None:
    """LiveHistories come from batch files: a damaged snapshot costs time and nothing else."""
    close_batch(world.batches)
    world.trainer.run_once()
    folder = world.histories.current_folder()
    assert folder is not None
    damage(folder / name)
    close_batch(world.batches)
    world.trainer.run_once()
    assert held(world) == ([1, 2], [], latest(world, 1, 2))


def test_a_damaged_champion_is_passed_over(world: TrainingWorld) -> None:
    """When the set in service cannot be read, its predecessor is the champion."""
    for _ in range(2):
        close_batch(world.batches)
    world.trainer.run_once()
    next((world.root / "models/regression_model_set_2").glob("*.npy")).unlink()
    close_batch(world.batches)
    assert world.trainer.run_once()[0].champion == 1


def test_nothing_is_trained_while_no_set_is_sound(world: TrainingWorld) -> None:
    """A set that started cold would replace what serves without a gate; another set in service goes
    on.
    """
    for _ in range(2):
        close_batch(world.batches)
    world.trainer.run_once()
    world.registry.activate(1)
    next((world.root / "models/regression_model_set_1").glob("*.npy")).unlink()
    close_batch(world.batches)
    with pytest.raises(DamagedError, match="nothing is trained"):
        world.trainer.run_once()
    world.registry.activate(None)
    assert world.trainer.run_once()[0].champion == 2


def test_old_sets_are_pruned_and_the_record_stays(tmp_path: Path) -> None:
    """The newest sets stay, and every batch keeps its line in the record."""
    world = TrainingWorld(tmp_path, keep=2)
    for _ in range(4):
        close_batch(world.batches)
    world.trainer.run_once()
    assert [release.number for release in world.registry.releases()] == [3, 4]
    record = [entry.batch for release in world.registry.all_releases() for entry in release.record]
    assert record == [1, 2, 3, 4]
    assert len(list((tmp_path / "models").glob("*_model_set_*"))) == 8


def test_one_trainer_at_a_time(world: TrainingWorld) -> None:
    """A second trainer is told so, at once."""
    with world.registry.lock(), pytest.raises(LockedError):
        world.trainer.run_once()


def test_following_trains_what_comes(world: TrainingWorld) -> None:
    """A follower trains batches and follows exclusions until it is stopped."""
    stop = threading.Event()
    thread = threading.Thread(target=Trainer.follow, args=(world.trainer, stop))
    thread.start()
    try:
        for _ in range(2):
            close_batch(world.batches)
        wait_until(lambda: world.registry.newest_number() == 2)
        world.batches.exclude(1)
        wait_until(lambda: world.histories.current() is not None and held(world)[1] == [1])
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def wait_until(condition) -> None:  # type: ignore[no-untyped-def]
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen within 30 seconds")


def test_batches_without_anything_to_learn_wait_for_the_next(world: TrainingWorld) -> None:
    """A first batch of rejected rows only fits no set and stops no trainer: the set after it holds
    both.
    """
    empty = Manifest(
        number=1,
        topic_id="a-topic",
        files=(),
        rejected=None,
        partitions={0: OffsetRange(0, 3)},
        next_offsets={0: 3, 1: 0},
        sources={},
        repeats=3,
        closed_at=0,
    )
    world.batches.publish_manifest(empty)
    assert world.trainer.run_once() == []
    close_batch(world.batches)
    (release,) = world.trainer.run_once()
    assert release.number == 2
    assert release.manifests == [(1, 1), (2, 1)]
    assert [entry.batch for entry in release.record] == [1, 2]
    assert held(world) == ([1, 2], [], latest(world, 2))


def test_sets_that_were_thrown_away_are_made_again_without_a_leak(world: TrainingWorld) -> None:
    """A new first set learns of the first batch only, although the old snapshot holds them all."""
    for _ in range(3):
        close_batch(world.batches)
    world.trainer.run_once()
    shutil.rmtree(world.root / "models")
    world.trainer.run_once()
    assert [release.number for release in world.registry.releases()] == [1, 2, 3]
    assert world.registry.load(1, CATALOG).rating.item_counts.sum() == latest(world, 1)
    assert held(world) == ([1, 2, 3], [], latest(world, 1, 2, 3))
