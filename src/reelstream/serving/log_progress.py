"""How far the log has been followed, and whoever waits until it has been followed further."""

from __future__ import annotations

import threading
from collections.abc import Mapping

# Partition -> end offset of what must have been seen.
EndOffsets = Mapping[int, int]


class LogProgress:
    """The positions of one follower; for any number of threads that wait for them."""

    def __init__(self) -> None:
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
        for _, event in woken:
            event.set()

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
