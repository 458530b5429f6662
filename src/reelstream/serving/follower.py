"""Something that is followed: one step, repeated on a thread of its own, whatever happens to it."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import ClassVar

import structlog

from reelstream.errors import ReelstreamError
from reelstream.serving.activity import Activity

# The pause before a failed step is tried again: it doubles each time, between these two.
MIN_RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 2.0

log = structlog.get_logger()


class Follower(ABC):
    """Repeats `follow`. A failure is logged once, shown in `failure` until a step succeeds, and
    retried ever more slowly.
    """

    name: ClassVar[str]
    """What is followed."""
    pause_seconds: ClassVar[float]
    """Between two steps."""

    def __init__(self, activity: Activity | None = None) -> None:
        """activity: where a failure is noted."""
        self._activity = activity or Activity()
        self.failure: str | None = None
        """The message of the last step's failure."""
        self.errors = 0
        """Failures since the start."""
        self._thread: threading.Thread | None = None

    @abstractmethod
    def follow(self) -> None:
        """One step: look once, and hand on what has changed."""

    def start(self, stop: threading.Event) -> None:
        """Repeat the step until `stop`."""
        self._thread = threading.Thread(
            target=self._run, args=(stop,), name=f"follow-{self.name}", daemon=True
        )
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread, after `stop`."""
        if self._thread is not None:
            self._thread.join(seconds)

    def attempt(self) -> bool:
        """One step; whether it succeeded."""
        try:
            self.follow()
        # Any exception, not only ours: an unforeseen one must not end the thread.
        except Exception as error:
            self._note(error)
            return False
        if self.failure is not None:
            log.info("following_again", what=self.name)
            self.failure = None
        return True

    def _note(self, error: Exception) -> None:
        self.errors += 1
        message = str(error) or type(error).__name__
        if message != self.failure:
            log.error(
                "following_failed",
                what=self.name,
                error=message,
                exc_info=not isinstance(error, ReelstreamError),
            )
            self._activity.note("failure", message=f"{self.name}: {message}")
        self.failure = message

    def _run(self, stop: threading.Event) -> None:
        pause = self.pause_seconds
        while not stop.wait(pause):
            if self.attempt():
                pause = self.pause_seconds
            else:
                pause = min(max(2 * pause, MIN_RETRY_SECONDS), MAX_RETRY_SECONDS)
