"""LiveUpdates: model sets, batch files and log are followed, and a failure of one stops nothing
else.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from events import event, event_columns
from fake_sets import CATALOG, FakeRegistry
from reelstream.broker import open_broker
from reelstream.broker.headers import broken_row_headers
from reelstream.broker.interface import Broker
from reelstream.errors import BrokerError, DamagedError
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.events import Rated
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.wire import encode_message
from reelstream.serving.follower import Follower
from reelstream.serving.live_histories import LiveHistories
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_follower import LogSource
from reelstream.serving.predictor import PredictionQuery, Predictor
from reelstream.storage.batch_erasure import erase_users
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange
from reelstream.storage.snapshot import write_snapshot
from reelstream.storage.snapshot_store import SnapshotStore

TOPIC = "ratings"


class World:
    """A work folder with a log, batches and histories, and a server's updates over a registry in
    memory.
    """

    def __init__(self, folder: Path, broker: Broker, *numbers: int) -> None:
        self.broker = broker
        self.batches, self.snapshots = (
            BatchFolder.in_folder(folder / "batches"),
            SnapshotStore.in_folder(folder / "history"),
        )
        self.batches.make()
        self.registry, self.predictor = FakeRegistry(*numbers), Predictor(LiveHistories())
        self.updates = LiveUpdates(
            self.predictor,
            model_sets=self.registry,
            catalog=CATALOG,
            batches=self.batches,
            snapshots=self.snapshots,
            log=LogSource(broker=broker, topic=TOPIC, scale=RatingScale()),
        )
        self._next = 0

    def send(self, *messages: bytes) -> None:
        with self.broker.producer(TOPIC) as producer:
            for message in messages:
                producer.send(message, partition=0)
            producer.flush()

    def rate(self, *rows: tuple[int, int, float | None, int]) -> None:
        self.send(*(encode_message(event(*row)) for row in rows))

    def close_batch(self, *rows: tuple[int, int, float, int]) -> Manifest:
        """The next batch: what the batch writer makes of these rows of the log."""
        number, first = len(self.batches.manifests()) + 1, self._next
        self._next += len(rows)
        users, items, ratings, times = zip(*rows, strict=True)
        columns = event_columns(users, items, ratings, times, None, range(first, self._next))
        manifest = Manifest(
            number=number,
            topic_id=self.broker.topic_id(TOPIC),
            files=(self.batches.publish_ratings(number, columns),),
            rejected=None,
            partitions={0: OffsetRange(first, self._next)},
            next_offsets={0: self._next},
            sources={},
            repeats=0,
            closed_at=int(time.time()),
        )
        self.batches.publish_manifest(manifest)
        return manifest

    def publish_snapshot(self, *manifests: Manifest) -> None:
        """What the trainer makes of these batches."""
        written = self.snapshots.new_folder()
        write_snapshot(
            Histories.of(
                EventColumns.concatenate([self.batches.read(manifest) for manifest in manifests])
            ),
            written,
        )
        held = [(manifest.number, manifest.revision) for manifest in manifests]
        self.snapshots.publish(written, held, [], manifests[-1].next_offsets)

    def ratings_of(self, user: int) -> list[float]:
        return self.predictor.histories.of_user(user).rating.tolist()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        broker.ensure_topic(TOPIC, 1)
        world = World(tmp_path, broker, 1)
        yield world
        world.updates.close()


def until(condition: object) -> None:
    """Wait for what the threads bring about; the patience is for slow machines only."""
    patience = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < patience, "it never came true"
        time.sleep(0.005)


def test_a_rating_in_the_log_reaches_its_user(world: World) -> None:
    """Without a batch or a set in between."""
    world.updates.start()
    world.rate((1, 31, 4.0, 100))
    until(lambda: world.ratings_of(1) == [4.0])
    report = world.updates.report()
    assert report.live == 1 and dict(report.positions) == {0: 1}
    until(lambda: dict(world.updates.report().end_offsets) == {0: 1})


def test_a_swap_leaves_nobody_waiting(world: World) -> None:
    """Two hundred who wait for a rating while a set comes into service: each sees it, under one
    set.
    """

    def answer(_: int) -> tuple[bool, int]:
        has_seen = world.updates.progress.wait({0: 1}, 60)
        (prediction,) = world.predictor.serving().predict([PredictionQuery(1, 7)])
        return has_seen, prediction.basis.ratings

    world.updates.start()
    with ThreadPoolExecutor(200) as pool:
        waiting = [pool.submit(answer, number) for number in range(200)]
        world.registry.add(2)
        world.rate((1, 31, 4.0, 100))
        assert {each.result() for each in waiting} == {(True, 1)}
    until(lambda: world.predictor.number == 2)


def test_the_log_is_followed_from_where_the_batches_end(world: World) -> None:
    """What a batch holds is not read again; what it does not hold is."""
    rows = [(1, 31, 4.0, 100), (1, 7, 3.0, 101)]
    world.rate(*rows, (1, 1, 2.0, 102))
    world.close_batch(*rows)
    world.updates.start()
    until(lambda: world.ratings_of(1) == [4.0, 3.0, 2.0])
    assert world.updates.report().live == 1


def test_a_batch_that_closes_changes_no_history(world: World) -> None:
    """The rating only moves from the log into the files."""
    world.updates.start()
    world.rate((1, 31, 4.0, 100))
    until(lambda: world.ratings_of(1) == [4.0])
    world.close_batch((1, 31, 4.0, 100))
    until(lambda: [manifest.number for manifest in world.updates.report().batches] == [1])
    assert world.ratings_of(1) == [4.0]
    assert dict(world.updates.report().batched) == {0: 1}


def test_a_message_that_is_no_rating_is_passed_over(world: World) -> None:
    """The batch writer rejects it; the next rating is taken."""
    world.updates.start()
    world.send(b"not json", b'{"userId":1,"movieId":31,"rating":11,"timestamp":1}')
    world.rate((1, 31, 4.0, 100))
    until(lambda: world.ratings_of(1) == [4.0])
    assert not world.updates.report().failures


def test_a_forgotten_user_is_answered_as_one_that_nobody_knows(world: World) -> None:
    """Whatever batch and log held of the user, and when older ratings come after the wish; until
    the user rates anew.
    """
    world.rate((1, 31, 4.0, 100))
    world.close_batch((1, 31, 4.0, 100))
    world.updates.start()
    world.rate((1, 7, 3.0, 101))
    until(lambda: world.ratings_of(1) == [4.0, 3.0])
    world.send(b'{"userId":1,"forget":true,"timestamp":200}')
    until(lambda: world.ratings_of(1) == [])
    forgotten, stranger = world.predictor.serving().predict(
        [PredictionQuery(1, 31), PredictionQuery(2, 31)]
    )
    assert forgotten == stranger and not forgotten.basis.known_user
    world.rate((1, 31, 4.0, 100), (1, 1, 2.0, 201))
    until(lambda: world.ratings_of(1) == [2.0])


def test_batches_without_an_erased_users_rows_take_the_place_of_those_with(world: World) -> None:
    """Under a snapshot of before too: what it holds of the user is hidden by the erasure."""
    world.publish_snapshot(world.close_batch((1, 31, 4.0, 100), (2, 31, 2.0, 100)))
    world.updates.start()
    world.close_batch((1, 7, 3.0, 101), (1, NO_ITEM, float("nan"), 102))
    until(lambda: world.ratings_of(1) == [])
    manifests = world.batches.manifests()
    assert [each.number for each in erase_users(world.batches)] == [1, 2]
    until(lambda: [*world.updates.report().batches] == world.batches.manifests())
    assert manifests != world.batches.manifests()
    assert world.ratings_of(1) == [] and world.ratings_of(2) == [2.0]
    assert "batch files" not in world.updates.report().failures


def test_an_excluded_batch_leaves_the_histories_and_comes_back(world: World) -> None:
    """Also out of a snapshot that holds it, with the ratings that it had replaced."""
    world.publish_snapshot(
        world.close_batch((1, 31, 4.0, 100)), world.close_batch((1, 31, 1.0, 200))
    )
    world.updates.start()
    assert world.ratings_of(1) == [1.0]
    world.batches.exclude(2)
    until(lambda: world.ratings_of(1) == [4.0])
    assert list(world.updates.report().excluded) == [2]
    world.batches.include(2)
    until(lambda: world.ratings_of(1) == [1.0])


def test_a_new_snapshot_and_a_newer_batch_stand_for_the_same_histories(world: World) -> None:
    """Snapshot, the batch after it, and the log after that."""
    first = world.close_batch((1, 31, 4.0, 100))
    world.close_batch((1, 7, 3.0, 101))
    world.updates.start()
    assert world.ratings_of(1) == [4.0, 3.0]
    version = world.predictor.histories.version_of(1)
    world.publish_snapshot(first)
    until(lambda: world.predictor.histories.version_of(1) != version)
    assert world.ratings_of(1) == [4.0, 3.0]


def test_a_snapshot_that_cannot_be_read_is_made_up_for_by_the_batches(
    world: World, tmp_path: Path
) -> None:
    """The histories are complete; the snapshot was only quicker."""
    world.publish_snapshot(world.close_batch((1, 31, 4.0, 100)))
    (tmp_path / "history" / "1" / "starts.npy").unlink()
    world.updates.start()
    assert world.ratings_of(1) == [4.0]


def test_a_damaged_batch_is_reported_and_the_log_stands_in_for_it(world: World) -> None:
    """By name; and it is read as soon as it is there again."""
    world.rate((1, 31, 4.0, 100))
    manifest = world.close_batch((1, 31, 4.0, 100))
    file = world.batches.store.local_path(manifest.files[0].name)
    content = file.read_bytes()
    file.write_bytes(b"")
    world.updates.start()
    assert manifest.files[0].name in world.updates.report().failures["batch files"]
    until(lambda: world.ratings_of(1) == [4.0])
    file.write_bytes(content)
    until(lambda: not world.updates.report().failures)
    assert world.ratings_of(1) == [4.0]


def test_a_new_set_goes_into_service(world: World) -> None:
    """And an earlier one, when it is activated."""
    world.updates.start()
    assert world.predictor.number == 1
    world.registry.add(2)
    until(lambda: world.predictor.number == 2)
    world.registry.current_number = 1
    until(lambda: world.predictor.number == 1)


def test_a_refused_set_or_an_excluded_batch_makes_items_start_again(world: World) -> None:
    """What they learned of a poisoned batch while it arrived must not stay."""
    world.rate((1, 31, 4.0, 100))
    world.close_batch((1, 31, 4.0, 100))
    world.updates.start()
    first = world.predictor.serving().items
    world.registry.add(2, current=False)
    until(lambda: world.predictor.serving().items is not first)
    second = world.predictor.serving().items
    world.batches.exclude(1)
    until(lambda: world.predictor.serving().items is not second)
    assert world.predictor.number == 1


def test_a_damaged_set_is_reported_and_the_previous_one_keeps_serving(world: World) -> None:
    """Until it is replaced by a sound one."""
    world.updates.start()
    world.registry.damaged = {2}
    world.registry.add(2)
    until(lambda: "model set 2 is damaged" in world.updates.report().failures.get("model sets", ""))
    assert world.predictor.number == 1
    world.registry.add(3)
    until(lambda: world.predictor.number == 3)
    until(lambda: not world.updates.report().failures)
    assert world.updates.report().errors["model sets"] >= 1


def test_a_server_that_starts_on_a_damaged_set_serves_the_one_before(tmp_path: Path) -> None:
    """And says so."""
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        broker.ensure_topic(TOPIC, 1)
        world = World(tmp_path, broker, 1, 2)
        world.registry.damaged = {2}
        world.updates.start()
        assert world.predictor.number == 1
        assert "model set 2 is damaged" in world.updates.report().failures["model sets"]
        world.updates.close()


def test_a_log_that_cannot_be_reached_is_tried_again(tmp_path: Path) -> None:
    """The server answers meanwhile, and goes on with the log when it is there."""
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        world = World(tmp_path, broker, 1)
        world.updates.start()
        assert "no topic" in world.updates.report().failures["log"]
        assert world.predictor.number == 1
        broker.ensure_topic(TOPIC, 2)
        world.rate((1, 31, 4.0, 100))
        until(lambda: world.ratings_of(1) == [4.0])
        until(lambda: not world.updates.report().failures)
        world.updates.close()


def test_a_log_that_breaks_goes_on_where_it_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No rating is lost and none counted twice."""
    world.updates.start()
    world.rate((1, 31, 4.0, 100))
    until(lambda: world.ratings_of(1) == [4.0])
    broken = threading.Event()

    def fail(topic: str) -> dict[int, int]:
        broken.set()
        raise BrokerError("the log is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.broker, "end_offsets", fail)
        assert broken.wait(120)
    world.rate((1, 7, 3.0, 101))
    until(lambda: world.ratings_of(1) == [4.0, 3.0])
    assert world.updates.report().live == 2


def test_a_follower_shows_its_failure_until_it_is_over() -> None:
    """A failure ends nothing; any exception counts as one."""
    failures: list[Exception] = [DamagedError("file x is damaged"), RuntimeError()]

    class FailingFollower(Follower):
        name = "thing"
        pause_seconds = 0.0

        def follow(self) -> None:
            if failures:
                raise failures.pop(0)

    follower = FailingFollower()
    assert not follower.attempt() and follower.failure == "file x is damaged"
    assert not follower.attempt() and follower.failure == "RuntimeError"
    assert follower.attempt() and follower.failure is None
    assert follower.errors == 2


def test_a_broken_row_that_reads_like_a_rating_is_passed_over(world: World) -> None:
    """The batch writer rejects a row that came marked as broken, whatever its bytes say: so it
    never counts live.
    """
    world.updates.start()
    with world.broker.producer(TOPIC) as producer:
        value = encode_message(Rated(1, 31, 4.0, 100))
        producer.send(
            value, partition=0, headers=broken_row_headers("the row has 1 columns instead of 4")
        )
        producer.flush()
    world.rate((1, 7, 3.0, 101))
    until(lambda: dict(world.updates.report().positions) == {0: 2})
    assert world.ratings_of(1) == [3.0]


def test_another_topic_under_the_same_name_is_reported_and_not_read(
    world: World, tmp_path: Path
) -> None:
    """Its offsets mean something else: answers rest on the batches alone."""
    world.rate((1, 31, 4.0, 100))
    world.close_batch((1, 31, 4.0, 100))
    with open_broker(f"sqlite:{tmp_path / 'another.db'}") as another:
        another.ensure_topic(TOPIC, 1)
        remade = World(tmp_path, another, 1)
        remade.rate((1, 31, 1.0, 100), (1, 7, 1.0, 101))
        remade.updates.start()
        assert "made anew" in remade.updates.report().failures["log"]
        assert remade.ratings_of(1) == [4.0]
        remade.updates.close()


def test_a_log_that_lost_records_is_reported_and_not_read(world: World, tmp_path: Path) -> None:
    """An older copy of the log put back: what it takes next has the offsets of other ratings."""
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as log:
        log.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    world.rate((1, 31, 4.0, 100))
    world.close_batch((1, 31, 4.0, 100))
    with open_broker(f"sqlite:{tmp_path / 'copy.db'}") as copy:
        restored = World(tmp_path, copy, 1)
        restored.updates.start()
        assert "records were lost" in restored.updates.report().failures["log"]
        restored.updates.close()
