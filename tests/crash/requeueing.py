"""A command that requeues two rows and kills itself at one call of one function."""

from multiprocessing.connection import Connection
from pathlib import Path

from dying import Death, die_at

from reelstream.broker import open_broker
from reelstream.datasets import detect
from reelstream.ingest.requeue import requeue
from reelstream.ratings.events import Rated
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder
from streams import TOPIC, Stream

ROWS = [RequeuedRow(0, offset, Rated(offset + 5, 2, 4.0, 1000)) for offset in range(2)]


def requeue_rows(root: Path, data: Path, death: Death | None, ready: Connection | None) -> None:
    """Requeue `ROWS` of a stream."""
    stream = Stream(root, detect(data))
    if death:
        die_at(death)
    if ready:
        ready.send("at work")
    with open_broker(stream.url) as broker:
        requeue(ROWS, RequeueFolder(root / "requeued"), broker, TOPIC, root / "requeue.json")
