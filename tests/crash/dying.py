"""A producer or a batch writer that kills or stops itself at one call of one function, in a process of its own."""

import importlib
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from reelstream.broker import open_broker, sqlite
from reelstream.datasets import detect
from reelstream.ingest import producer
from streams import Stream


def die_at(place: str, call: int, when: str, signal_name: str) -> None:
    """Send this process the signal before or after the `call`-th call of `place` (`module:name` or `module:Class.name`)."""
    module, name = place.split(":")
    owner: Any = importlib.import_module(module)
    *path, name = name.split(".")
    for part in path:
        owner = getattr(owner, part)
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def dying(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and when == "before":
            os.kill(os.getpid(), signal.Signals[signal_name])
        result = original(*arguments, **options)
        if calls == call and when == "after":
            os.kill(os.getpid(), signal.Signals[signal_name])
        return result

    setattr(owner, name, dying)


def work(role: str, root: Path, data: Path, death: tuple[str, int, str, str] | None, ready: Connection) -> None:
    """Produce or write batches; without a place to die, until somebody else kills the process."""
    sqlite.BUFFERED_RECORDS = 300
    producer.CHECKPOINT_ROWS = 900
    stream = Stream(root, detect(data))
    if death:
        die_at(*death)
    ready.send("at work")
    if role == "produce":
        stream.produce(rate=None if death else 4000.0)
    elif death:
        stream.batch(lease_seconds=0.3)
    else:
        with open_broker(stream.url) as broker:
            stream.writer(broker, batch_rows=300, batch_seconds=0.1).run(stop=threading.Event())
