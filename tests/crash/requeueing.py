"""A command that requeues two rows and kills itself at one failpoint."""

from multiprocessing.connection import Connection
from pathlib import Path

from reelstream import failpoints
from reelstream.broker import open_broker
from reelstream.datasets import detect
from reelstream.ingest.requeue import requeue
from reelstream.ratings.events import Rated
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder
from streams import TOPIC, Stream

ROWS = [RequeuedRow(0, offset, Rated(offset + 5, 2, 4.0, 1000)) for offset in range(2)]


def reject_two(stream: Stream) -> None:
    """Put two messages that are no ratings into the log, and write the batch that rejects them."""
    with open_broker(stream.url) as broker:
        broker.ensure_topic(TOPIC, 3)
        with broker.producer(TOPIC) as producer:
            producer.send(b"nonsense", partition=0)
            producer.send(b"nonsense", partition=0)
            producer.flush()
    stream.batch()


def requeue_rows(
    root: Path, data: Path, failpoint: str | None = None, ready: Connection | None = None
) -> None:
    """Requeue `ROWS` of a stream."""
    stream = Stream(root, detect(data))
    if failpoint:
        failpoints.arm(failpoints.killing(failpoint))
    if ready:
        ready.send("at work")
    with open_broker(stream.url) as broker:
        requeue(
            ROWS, RequeueFolder.in_folder(root / "requeued"), broker, TOPIC, root / "requeue.json"
        )
