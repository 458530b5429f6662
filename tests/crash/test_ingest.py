"""Producer and batch writer may die anywhere: after a restart nothing is lost and nothing is there
twice.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import steps
from workers import die, go_on, one_fork_server, start, wait_until_stopped

from reelstream.datasets import detect, simulate
from streams import Stream


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> Iterator[None]:
    with one_fork_server():
        yield


@pytest.mark.parametrize(
    "step",
    [
        *steps.PRODUCER,
        "records_inserted 3",
        "records_committed 3",
        "rows_flushed 2",
        f"file_synced@{steps.CHECKPOINT} 2",
        f"pointer_replaced@{steps.CHECKPOINT} 2",
        f"pointer_replaced@{steps.CHECKPOINT} 5",
    ],
)
def test_a_killed_producer_is_continued_by_the_next(stream: Stream, step: str) -> None:
    """kill -9 at each step, the first time and later."""
    die(stream, "produce", step)
    stream.produce()
    stream.batch()
    stream.assert_exactly_once()


@pytest.mark.parametrize("checkpoint_is_kept", [True, False])
def test_producer_killed_while_it_finds_its_place(stream: Stream, checkpoint_is_kept: bool) -> None:
    """kill -9 while a restart scans the log, between a first death and a third start."""
    die(stream, "produce", "records_committed 5")
    if not checkpoint_is_kept:
        (stream.root / "producer.json").unlink()
    die(stream, "produce", steps.RESUMING_PRODUCER)
    stream.produce()
    stream.batch()
    stream.assert_exactly_once()


@pytest.mark.parametrize(
    "step",
    [
        *steps.BATCH_WRITER,
        "records_added 2",
        f"file_linked@{steps.MANIFEST_2}",
        f"file_published@{steps.MANIFEST_2}",
        "offsets_committed 3",
    ],
)
def test_a_killed_batch_writer_is_continued_by_the_next(stream: Stream, step: str) -> None:
    """kill -9 at each step of the first batch, and at some of later ones."""
    stream.produce()
    die(stream, "batch", step)
    stream.batch()
    stream.assert_exactly_once()


@pytest.mark.parametrize(
    "step",
    [
        f"file_synced@{steps.RATINGS_1}",
        f"file_synced@{steps.MANIFEST_1}",
        f"file_synced@{steps.MANIFEST_2}",
        f"file_published@{steps.MANIFEST_1}",
    ],
)
def test_zombie_cannot_win(stream: Stream, step: str) -> None:
    """A writer stopped across another one's commits goes on afterwards, and changes nothing."""
    stream.produce()
    zombie = start(stream, "batch", f"{step} 1 SIGSTOP")
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
