"""Every user's ratings up to now: those of the snapshot, of the batches since, and of the log after
them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import compact, effective_ratings
from reelstream.ratings.events import Deleted, Dismissed, Erased, Event, Rated
from reelstream.ratings.histories import Histories


class LogEvent(NamedTuple):
    """An event and its position in the log."""

    event: Event
    partition: int
    offset: int

    @property
    def order(self) -> tuple[int, int, int]:
        """Of two events the one with the larger order is the later, whichever arrived first."""
        return self.event.timestamp, self.partition, self.offset


# The version of one user's history: while it is equal, the history has not changed.
HistoryVersion: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What the files hold; never changed, only replaced."""

    snapshot: Histories
    batches: EventColumns
    """Newer than the snapshot, sorted by user, with tombstones."""
    end_offsets: Mapping[int, int]
    version: int
    """Rises with every replacement."""

    def hold(self, row: LogEvent) -> bool:
        """Whether an event of the log is in a batch."""
        return row.offset < self.end_offsets.get(row.partition, 0)

    def events_of(self, user_id: int) -> tuple[EventColumns, EventColumns, EventColumns]:
        """One user's ratings and tombstones in the snapshot, and events in the newer batches."""
        return (
            self.snapshot.of_user(user_id),
            _rows_of(self.snapshot.tombstones, user_id),
            _rows_of(self.batches, user_id),
        )


class LiveHistories:
    """Histories of all users, for many readers and one or two writers.

    A rating lies in exactly one of three layers. Its offset decides: the files hold what is before
    the newest manifest's end offsets, the tail what came after. So it makes no difference whether
    the batch or the log is first to bring a rating.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        nothing = EventColumns.empty()
        self._files = _Files(
            snapshot=Histories.of(nothing), batches=nothing, end_offsets={}, version=0
        )
        self._tail: dict[int, list[LogEvent]] = {}

    @property
    def end_offsets(self) -> Mapping[int, int]:
        """Partition -> end offset of what the files hold: the log is followed from here."""
        return self._files.end_offsets

    def version_of(self, user_id: int) -> HistoryVersion:
        """Changes with every change of the user's history, and with new files."""
        # Between two replacements of the files a tail only grows, so that its length tells.
        with self._lock:
            return self._files.version, len(self._tail.get(user_id, ()))

    def replace_files(
        self, snapshot: Histories, batches: EventColumns, end_offsets: Mapping[int, int]
    ) -> None:
        """Replace the files, and drop the events that they hold from the tail.

        `batches` are the events newer than the snapshot, in any order.
        """
        by_user = batches.by_user()  # outside the lock: readers need not wait for it
        with self._lock:
            self._files = files = _Files(
                snapshot=snapshot,
                batches=by_user,
                end_offsets=dict(end_offsets),
                version=self._files.version + 1,
            )
            tail = {
                user: [row for row in rows if not files.hold(row)]
                for user, rows in self._tail.items()
            }
            self._tail = {user: rows for user, rows in tail.items() if rows}

    def add(self, rows: Iterable[LogEvent]) -> int:
        """Take events from the log, in the order of each partition; return how many the files did
        not hold.
        """
        with self._lock:  # else new files that hold a row could come between check and append
            new = [row for row in rows if not self._files.hold(row)]
            for row in new:
                self._tail.setdefault(row.event.user_id, []).append(row)
        return len(new)

    def lacks(self, row: LogEvent) -> bool:
        """Whether no file holds an event of the log."""
        return not self._files.hold(row)

    def will_count(self, row: LogEvent, item_id: int) -> bool:
        """Whether a rating of the item, from the log, counts once it is added: no later event of
        its user replaces, deletes or erases it.

        Needs no history: the user's events that concern the item are enough.
        """
        user_id = row.event.user_id
        with self._lock:
            files, tail = self._files, list(self._tail.get(user_id, ()))
        concerning = [other.order for other in tail if _concerns(other.event, item_id)]
        for events in files.events_of(user_id):
            those = events[events.is_erasure | (events.item_id == item_id)]
            columns = those.timestamp, those.partition, those.offset
            concerning += zip(*(column.tolist() for column in columns), strict=True)
        return max(concerning, default=row.order) <= row.order

    def last_time(self, user_id: int, item_id: int) -> int:
        """When the user last rated, deleted, dismissed or erased the item, by the events' own
        times; 0: never.
        """
        with self._lock:
            files, tail = self._files, list(self._tail.get(user_id, ()))
        events = EventColumns.concatenate([*files.events_of(user_id), _columns(tail)])
        concerning = events[events.is_erasure | (events.item_id == item_id)]
        return int(concerning.timestamp.max(initial=0))

    def of_user(self, user_id: int) -> EventColumns:
        """The ratings of one user that count, oldest first (the order of EventColumns.by_user)."""
        with self._lock:
            files, tail = self._files, list(self._tail.get(user_id, ()))
        ratings, tombstones, newer = files.events_of(user_id)
        if not tail and not len(newer):
            return ratings  # a snapshot is compacted already
        return effective_ratings(
            EventColumns.concatenate([ratings, tombstones, newer, _columns(tail)])
        )

    def dismissed_by(self, user_id: int) -> EventColumns:
        """What one user has dismissed, and neither rated nor taken back since, oldest first."""
        with self._lock:
            files, tail = self._files, list(self._tail.get(user_id, ()))
        parts = [*files.events_of(user_id), _columns(tail)]
        # Most users dismiss nothing: theirs need not be sorted.
        if not any(part.is_dismissal.any() for part in parts):
            return EventColumns.empty()
        last = compact(EventColumns.concatenate(parts))
        return last[last.is_dismissal]

    def of_item(self, item_id: int) -> EventColumns:
        """The ratings of one item that count, by user."""
        with self._lock:
            files, tail = self._files, [row for rows in self._tail.values() for row in rows]
        snapshot, newer = files.snapshot, EventColumns.concatenate([files.batches, _columns(tail)])
        parts = [
            part[(part.item_id == item_id) | part.is_erasure]
            for part in (snapshot.ratings, snapshot.tombstones, newer)
        ]
        return effective_ratings(EventColumns.concatenate(parts))

    def newest_since(self, end_offsets: Mapping[int, int], limit: int) -> EventColumns:
        """The ratings after these end offsets that no snapshot holds; of more than `limit` the
        newest by time. Oldest first.
        """
        with self._lock:
            files, tail = self._files, [row for rows in self._tail.values() for row in rows]
        events = EventColumns.concatenate([files.batches, _columns(tail)])
        return events[events.is_after(end_offsets) & events.is_rating].by_time()[-limit:]

    def user_ids(self) -> NDArray[np.int64]:
        """Everybody with a rating that counts, rising."""
        with self._lock:
            files, tail = self._files, list(self._tail)
            deleting = [
                user
                for user, rows in self._tail.items()
                if not all(isinstance(row.event, Rated) for row in rows)
            ]
        newer = np.union1d(files.batches.user_id, np.array(tail, np.int64))
        in_files = (
            columns.user_id[~columns.is_rating]
            for columns in (files.snapshot.tombstones, files.batches)
        )
        # Only users with a deletion or erasure can have no rating left: the others' histories need
        # not be computed.
        doubtful = np.intersect1d(newer, np.concatenate([np.array(deleting, np.int64), *in_files]))
        without = [user for user in doubtful.tolist() if not len(self.of_user(user))]
        return np.setdiff1d(np.union1d(files.snapshot.user_ids, newer), without, assume_unique=True)


def log_events(events: EventColumns) -> list[LogEvent]:
    """Each event by itself, in the same order."""
    positions = zip(events.partition.tolist(), events.offset.tolist(), strict=True)
    return [
        LogEvent(event, *position)
        for event, position in zip(events.events(), positions, strict=True)
    ]


def _concerns(event: Event, item_id: int) -> bool:
    """Whether an event replaces, deletes or erases older ratings of the item."""
    match event:
        case Rated() | Deleted() | Dismissed():
            return event.item_id == item_id
        case Erased():
            return True


def _rows_of(sorted_by_user: EventColumns, user_id: int) -> EventColumns:
    first = int(np.searchsorted(sorted_by_user.user_id, user_id, side="left"))
    end = int(np.searchsorted(sorted_by_user.user_id, user_id, side="right"))
    return sorted_by_user[first:end]


def _columns(rows: Iterable[LogEvent]) -> EventColumns:
    rows = list(rows)
    return EventColumns.of_events(
        [row.event for row in rows], [row.partition for row in rows], [row.offset for row in rows]
    )
