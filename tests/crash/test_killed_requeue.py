"""`rejected requeue` may die anywhere: asked once more, each row is in a batch once."""

from collections.abc import Iterator

import pytest
from dying import Death
from requeueing import requeue_rows
from workers import await_death, fork, one_fork_server

from reelstream.broker import open_broker
from streams import TOPIC, Stream

FOLDER = "reelstream.storage.requeue_folder:RequeueFolder"


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> Iterator[None]:
    with one_fork_server():
        yield


@pytest.mark.parametrize(
    ("place", "when"),
    [
        (f"{FOLDER}.publish", "before"),
        (f"{FOLDER}.publish", "after"),
        ("reelstream.ingest.requeue:_Sending.begin_here", "after"),
        ("reelstream.broker.sqlite:SqliteProducer.flush", "before"),
        ("reelstream.broker.sqlite:SqliteProducer.flush", "after"),
        (f"{FOLDER}.mark_sent", "before"),
        (f"{FOLDER}.mark_sent", "after"),
    ],
)
def test_requeue_killed_at_a_step_is_gone_on_with(stream: Stream, place: str, when: str) -> None:
    """kill -9 at each numbered step."""
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 3)
        with broker.producer(TOPIC) as producer:
            producer.send(b"nonsense", partition=0)
            producer.send(b"nonsense", partition=0)
            producer.flush()
    stream.batch()
    await_death(
        fork(requeue_rows, stream.root, stream.dataset.folder, Death(place, 1, when, "SIGKILL"))
    )
    requeue_rows(stream.root, stream.dataset.folder, None, None)
    stream.batch()
    assert sorted(stream.ratings().user_id.tolist()) == [5, 6]
    assert stream.audit().problems == ()
