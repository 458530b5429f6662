"""A producer or a batch writer that kills or stops itself at one failpoint, in a process of its
own.
"""

import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from reelstream import failpoints
from reelstream.broker import open_broker, sqlite
from reelstream.datasets import detect
from reelstream.errors import ReelstreamError
from reelstream.ingest import producer
from streams import Stream


def work(
    role: str,
    place: tuple[Path, str, str | None],
    data: Path,
    failpoint: str | None,
    options: dict[str, Any],
    ready: Connection,
) -> None:
    """Produce or write batches; without a failpoint, until somebody else kills the process, or
    its log is away.
    """
    sqlite.BUFFERED_RECORDS = 300
    producer.CHECKPOINT_ROWS = options.pop("checkpoint_rows", 900)
    root, topic, kafka_url = place
    stream = Stream(root, detect(data), topic, kafka_url, options.pop("kafka", {}))
    if failpoint:
        failpoints.arm(failpoints.killing(failpoint))
    ready.send("at work")
    try:
        if role == "produce":
            stream.produce(**({"rate": None if failpoint else 4000.0} | options))
        elif failpoint:
            stream.batch(**({"lease_seconds": 0.3} | options))
        else:
            with open_broker(stream.url) as broker:
                writer = stream.writer(broker, **({"rows": 300, "seconds": 0.1} | options))
                writer.run(stop=threading.Event())
    except ReelstreamError as error:
        raise SystemExit(str(error)) from error
