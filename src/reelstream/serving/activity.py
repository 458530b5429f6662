"""What happened on the stream lately, as this server saw it: for whoever watches it live."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from reelstream.contract.events import StreamEventKind
from reelstream.ratings.events import Deleted, Dismissed, Erased, Event, Rated

# Kept at most, of some 300 bytes each; the oldest go first.
MAX_KEPT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened; what does not concern its kind is None."""

    cursor: int
    """When this server saw it, in microseconds since 1970; no two have the same."""
    kind: StreamEventKind
    user_id: int | None = None
    item_id: int | None = None
    rating: float | None = None
    timestamp: int | None = None
    """That of the event itself, in seconds."""
    predicted: float | None = None
    """The expected rating, before the rating was known; None for one that was not predicted."""
    sd: float | None = None
    """Standard deviation of that prediction."""
    number: int | None = None
    """Of the batch or model set."""
    ratings: int | None = None
    """How many came at once, or lie in the batch."""
    rejected: int | None = None
    """Rows of the batch that were rejected."""
    rmse: float | None = None
    auc: float | None = None
    """Of the model set, on what it was not fitted to."""
    message: str | None = None
    """What failed, or why the set was refused."""


class Page(NamedTuple):
    """Some of what happened, oldest first."""

    items: list[Happening]
    next: int
    """The cursor to go on from."""
    missed: bool
    """Whether something after the given cursor is not kept any more."""


class Activity:
    """The newest of what happened, for many threads.

    Cursors are times, so that one of an earlier process of the server, or of another beside it, is
    understood too.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: deque[Happening] = deque(maxlen=MAX_KEPT)
        self._last = self._dropped = int(clock() * 1e6)

    def note(self, kind: StreamEventKind, **what: Any) -> None:
        """Something happened: fields of `Happening`."""
        with self._lock:
            self._last = max(self._last + 1, int(self._clock() * 1e6))
            if len(self._kept) == MAX_KEPT:
                self._dropped = self._kept[0].cursor
            self._kept.append(Happening(cursor=self._last, kind=kind, **what))

    def note_event(self, event: Event, predicted: tuple[float, float] | None = None) -> None:
        """An event came from the log; predicted: mean and sd of a rating before it was known."""
        match event:
            case Rated():
                mean, sd = predicted or (None, None)
                self.note(
                    "rating",
                    user_id=event.user_id,
                    item_id=event.item_id,
                    rating=event.rating,
                    timestamp=event.timestamp,
                    predicted=mean,
                    sd=sd,
                )
            case Deleted() | Dismissed():
                self.note(
                    "deletion" if isinstance(event, Deleted) else "dismissal",
                    user_id=event.user_id,
                    item_id=event.item_id,
                    timestamp=event.timestamp,
                )
            case Erased():
                self._forget(event.user_id)
                self.note("erasure", user_id=event.user_id, timestamp=event.timestamp)

    def after(self, cursor: int | None, limit: int) -> Page:
        """What happened after a cursor, at most `limit`; without one, the newest."""
        with self._lock:
            kept, last, dropped = list(self._kept), self._last, self._dropped
        if cursor is None:
            return Page(kept[-limit:], last, missed=False)
        # Outside of the lock: whoever reads must not hold up the stream.
        items = list(islice((each for each in kept if each.cursor > cursor), limit))
        return Page(items, items[-1].cursor if items else max(cursor, last), cursor < dropped)

    def _forget(self, user_id: int) -> None:
        """Drop what an erased user did."""
        with self._lock:
            others = [each for each in self._kept if each.user_id != user_id]
            self._kept = deque(others, maxlen=MAX_KEPT)
