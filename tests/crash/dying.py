"""A producer or a batch writer that kills or stops itself at one call of one function, in a process
of its own.
"""

import importlib
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from reelstream.broker import open_broker, sqlite
from reelstream.datasets import detect
from reelstream.errors import ReelstreamError
from reelstream.ingest import producer
from streams import Stream


class Death(NamedTuple):
    """Where, when and by which signal a process ends or stops."""

    place: str
    """`module:name` or `module:Class.name`."""
    call: int
    when: str
    """`before` or `after` this call."""
    signal_name: str


def die_at(death: Death) -> None:
    """Have this process send itself the signal."""
    module, name = death.place.split(":")
    owner: Any = importlib.import_module(module)
    *path, name = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == death.call and death.when == "before":
            os.kill(os.getpid(), signal.Signals[death.signal_name])
        result = original(*arguments, **options)
        if calls == death.call and death.when == "after":
            os.kill(os.getpid(), signal.Signals[death.signal_name])
        return result

    setattr(owner, name, dying)


def work(
    role: str,
    place: tuple[Path, str, str | None],
    data: Path,
    death: Death | None,
    options: dict[str, Any],
    ready: Connection,
) -> None:
    """Produce or write batches; without a place to die, until somebody else kills the process, or
    its log is away.
    """
    sqlite.BUFFERED_RECORDS = 300
    producer.CHECKPOINT_ROWS = options.pop("checkpoint_rows", 900)
    root, topic, kafka_url = place
    stream = Stream(root, detect(data), topic, kafka_url, options.pop("kafka", {}))
    if death:
        die_at(death)
    ready.send("at work")
    try:
        if role == "produce":
            stream.produce(**({"rate": None if death else 4000.0} | options))
        elif death:
            stream.batch(**({"lease_seconds": 0.3} | options))
        else:
            with open_broker(stream.url) as broker:
                writer = stream.writer(broker, **({"rows": 300, "seconds": 0.1} | options))
                writer.run(stop=threading.Event())
    except ReelstreamError as error:
        raise SystemExit(str(error)) from error
