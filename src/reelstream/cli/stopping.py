"""Ending in order when asked to, by Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that is set at the first SIGINT or SIGTERM; a second SIGINT interrupts whatever does
    not listen.
    """
    stop = threading.Event()

    def request_stop(number: int, frame: FrameType | None) -> None:
        # A repeated SIGTERM must not cut an orderly end short; a second Ctrl-C may.
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before = {
        number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
