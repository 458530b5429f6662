"""One thing done again and again on a thread of its own, whatever happens to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from reelstream.errors import ReelstreamError

MAX_PAUSE_SECONDS = 2.0
"""Seconds between two attempts at something that goes on failing."""

log = structlog.get_logger()


class Follower:
    """Repeats a step; a failure is logged once, shown in `failure` until the step succeeds, and
    retried ever slower.
    """

    def __init__(self, what: str, step: Callable[[], None], pause: float) -> None:
        """`pause`: seconds between two steps."""
        self.what = what
        self.failure: str | None = None
        self.errors = 0
        self._step, self._pause = step, pause
        self._thread: threading.Thread | None = None

    def start(self, stop: threading.Event) -> None:
        """Go on until `stop`."""
        self._thread = threading.Thread(
            target=self._run, args=(stop,), name=f"follow-{self.what}", daemon=True
        )
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread, after `stop`."""
        if self._thread is not None:
            self._thread.join(seconds)

    def attempt(self) -> bool:
        """One step; whether it succeeded."""
        try:
            self._step()
        except Exception as error:
            self._note(error)
            return False
        if self.failure is not None:
            log.info("following_again", what=self.what)
            self.failure = None
        return True

    def _note(self, error: Exception) -> None:
        self.errors += 1
        message = str(error) or type(error).__name__
        if message != self.failure:
            log.error(
                "following_failed",
                what=self.what,
                error=message,
                exc_info=not isinstance(error, ReelstreamError),
            )
        self.failure = message

    def _run(self, stop: threading.Event) -> None:
        pause = self._pause
        while not stop.wait(pause):
            pause = self._pause if self.attempt() else min(max(2 * pause, 0.1), MAX_PAUSE_SECONDS)
