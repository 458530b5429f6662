"""Producer and batch writer may die anywhere: after a restart nothing is lost and nothing is there
twice.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dying import Death
from workers import die, go_on, one_fork_server, start, wait_until_stopped

from reelstream.datasets import detect, simulate
from streams import Stream

FILES = "reelstream.files"
LOG = "reelstream.broker.sqlite"


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> Iterator[None]:
    with one_fork_server():
        yield


@pytest.mark.parametrize(
    ("place", "call", "when"),
    [
        ("reelstream.ingest.producer:scan", 1, "after"),  # 1. how far the source has come
        ("reelstream.ingest.resume_point:replace_file", 1, "before"),
        (f"{LOG}:SqliteProducer.send", 1, "before"),  # 3. sending
        (f"{LOG}:SqliteProducer.send", 1700, "before"),
        (f"{LOG}:SqliteProducer._append", 3, "before"),  # 4. flush
        (f"{LOG}:SqliteProducer._append", 3, "after"),
        (f"{LOG}:SqliteProducer.flush", 2, "after"),
        ("reelstream.ingest.resume_point:replace_file", 2, "before"),  # 5. the checkpoint
        ("os:replace", 2, "before"),
        ("os:replace", 2, "after"),
        ("reelstream.ingest.resume_point:replace_file", 5, "after"),
    ],
)
def test_producer_killed_at_a_step_is_gone_on_with(
    stream: Stream, place: str, call: int, when: str
) -> None:
    """kill -9 at each numbered step of the producer."""
    die(stream, "produce", place, call, when)
    stream.produce()
    stream.batch()
    stream.assert_exactly_once()


@pytest.mark.parametrize("checkpoint_is_kept", [True, False])
def test_producer_killed_while_it_finds_its_place(stream: Stream, checkpoint_is_kept: bool) -> None:
    """kill -9 during step 1 of a restart, between a first death and a third start."""
    die(stream, "produce", f"{LOG}:SqliteProducer._append", 5, "after")
    if not checkpoint_is_kept:
        (stream.root / "producer.json").unlink()
    die(stream, "produce", f"{LOG}:SqliteConsumer.poll", 1, "after")
    stream.produce()
    stream.batch()
    stream.assert_exactly_once()


@pytest.mark.parametrize(
    ("place", "call", "when"),
    [
        ("reelstream.ingest.open_batch:OpenBatch.add", 2, "after"),
        (f"{FILES}:write_synced", 2, "before"),  # 1. temporary files; the first call is the lease's
        ("os:fsync", 3, "before"),  # 2. synced; the first two are the lease's
        ("os:fsync", 3, "after"),
        ("os:link", 1, "before"),  # 3. published
        ("os:link", 1, "after"),
        ("os:unlink", 1, "after"),
        (f"{FILES}:write_synced", 3, "before"),
        (f"{FILES}:write_synced", 3, "after"),
        ("os:link", 2, "before"),  # 4. the manifest
        ("os:link", 2, "after"),
        (f"{LOG}:SqliteBroker.commit_offsets", 1, "before"),  # 5. the hint
        (f"{LOG}:SqliteBroker.commit_offsets", 1, "after"),
        ("os:link", 5, "after"),
        ("os:link", 6, "after"),
        ("reelstream.files:Lease.release", 1, "before"),
    ],
)
def test_batch_writer_killed_at_a_step_is_gone_on_with(
    stream: Stream, place: str, call: int, when: str
) -> None:
    """kill -9 at each numbered step of the batch writer, in the first batch and in later ones."""
    stream.produce()
    die(stream, "batch", place, call, when)
    stream.batch()
    stream.assert_exactly_once()


@pytest.mark.parametrize(
    ("place", "call", "when"),
    [
        ("os:link", 1, "before"),  # its files are not published
        ("os:link", 2, "before"),  # its manifest is not created
        ("os:link", 3, "after"),  # in its second batch
        (f"{LOG}:SqliteBroker.commit_offsets", 1, "before"),
    ],
)
def test_zombie_cannot_win(stream: Stream, place: str, call: int, when: str) -> None:
    """A writer stopped across another one's commits goes on afterwards, and changes nothing."""
    stream.produce()
    zombie = start(stream, "batch", Death(place, call, when, "SIGSTOP"))
    wait_until_stopped(zombie)
    stream.batch(rows=350)  # cuts the batches elsewhere
    closed = stream.batches.manifests()
    stream.batch()  # one more start, whose sweep meets the zombie's files
    assert go_on(zombie) == 0
    assert stream.batches.manifests() == closed
    stream.assert_exactly_once()


@pytest.mark.slow
def test_random_kills_lose_nothing(tmp_path: Path) -> None:
    """20 times kill -9 at random while a producer and a batch writer work side by side."""
    simulate(tmp_path / "data", users=200, items=200, ratings=20_000, seed=2)
    stream = Stream(tmp_path / "work", detect(tmp_path / "data"))
    moments = random.Random(3)
    workers = {"produce": start(stream, "produce")}
    try:
        for kill in range(20):
            role = ("batch", "produce")[kill % 2]
            if role not in workers:
                workers[role] = start(stream, role)
            time.sleep(moments.uniform(0.0, 0.5))
            worker = workers.pop(role)
            worker.kill()
            worker.join()
    finally:
        for worker in workers.values():
            worker.kill()
    sent_later = stream.produce().sent
    stream.batch()
    assert 0 < sent_later < 20_000
    stream.assert_exactly_once()
