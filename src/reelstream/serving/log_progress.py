"""How far the log has been followed, and whoever waits until it has been followed further."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from itertools import accumulate

# Seconds.
FRESHNESS_BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0)
# Writes that may be on their way at once.
MAX_WRITTEN = 10_000

# Partition -> end offset of what must have been seen.
EndOffsets = Mapping[int, int]


class Freshness:
    """How long it took until what was written was seen, as a histogram."""

    def __init__(self) -> None:
        self._counts = [0] * (len(FRESHNESS_BOUNDS) + 1)
        self.total = 0.0
        """Of all seconds."""

    def note(self, seconds: float) -> None:
        """Count one write."""
        self._counts[bisect_left(FRESHNESS_BOUNDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound -> writes up to it, as Prometheus has them."""
        bounds = [*map(str, FRESHNESS_BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))


class LogProgress:
    """The positions of one follower; for any number of threads that wait for them."""

    def __init__(self) -> None:
        self.freshness = Freshness()
        # What was written here and not seen yet; the oldest are dropped where nothing is read.
        self._written: deque[tuple[EndOffsets, float]] = deque(maxlen=MAX_WRITTEN)
        self._lock = threading.Lock()
        self._positions: dict[int, int] = {}
        self._waiting: list[tuple[EndOffsets, threading.Event]] = []

    @property
    def positions(self) -> dict[int, int]:
        """Partition -> offset of the next record to read."""
        with self._lock:
            return dict(self._positions)

    def advance(self, positions: Mapping[int, int]) -> None:
        """Note that everything before these offsets is in the histories, and wake who waited for
        it.
        """
        with self._lock:
            self._positions |= positions
            woken = [each for each in self._waiting if self._covers(each[0])]
            self._waiting = [each for each in self._waiting if not self._covers(each[0])]
            now = time.monotonic()
            while self._written and self._covers(self._written[0][0]):
                self.freshness.note(now - self._written.popleft()[1])
        for _, event in woken:
            event.set()

    def note_write(self, end_offsets: EndOffsets) -> None:
        """Measure how long it takes until a write is seen that the log has just acknowledged."""
        with self._lock:
            if self._covers(end_offsets):
                self.freshness.note(0.0)
            else:
                self._written.append((end_offsets, time.monotonic()))

    def has_seen(self, end_offsets: EndOffsets) -> bool:
        """Whether everything before these offsets is in the histories."""
        with self._lock:
            return self._covers(end_offsets)

    def wait(self, end_offsets: EndOffsets, seconds: float) -> bool:
        """`has_seen`, within so many seconds."""
        # An event for each, not one condition for all: with a thousand waiting, each step of the
        # follower would wake all of them.
        waiter = (end_offsets, threading.Event())
        with self._lock:
            if self._covers(end_offsets):
                return True
            self._waiting.append(waiter)
        if waiter[1].wait(seconds):
            return True
        with self._lock:
            self._waiting = [each for each in self._waiting if each is not waiter]
        return waiter[1].is_set()

    def _covers(self, end_offsets: EndOffsets) -> bool:
        # A partition that nobody follows is seen by nobody, even where it is empty.
        return all(
            self._positions.get(partition, -1) >= end for partition, end in end_offsets.items()
        )
