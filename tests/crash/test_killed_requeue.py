"""`rejected requeue` may die anywhere: asked once more, each row is in a batch once."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest
from requeueing import requeue_rows

from reelstream.broker import open_broker
from streams import TOPIC, Stream

HERE = Path(__file__).parent
FOLDER = "reelstream.storage.requeue_folder:RequeueFolder"


@pytest.fixture(scope="module", autouse=True)
def fork_server() -> Iterator[None]:
    """Workers find what they are to do beside this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
        forkserver.ensure_running()
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
    context = multiprocessing.get_context("forkserver")
    receiving, sending = context.Pipe(duplex=False)
    death = (place, 1, when, "SIGKILL")
    process = context.Process(target=requeue_rows, args=(stream.root, stream.dataset.folder, death, sending))
    process.start()
    assert receiving.recv() == "at work"
    process.join(timeout=60)
    assert process.exitcode == -signal.SIGKILL, "it never came to the place where it should die"
    requeue_rows(stream.root, stream.dataset.folder, None, None)
    stream.batch()
    assert sorted(stream.ratings().user_id.tolist()) == [5, 6]
    assert stream.audit().problems == ()
