"""Every user's ratings up to now: those of the snapshot, of the batches since, and of the log after
them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import compact, effective_ratings
from reelstream.ratings.events import Event, Rated
from reelstream.ratings.histories import Histories


class LogEvent(NamedTuple):
    """An event and its position in the log."""

    event: Event
    partition: int
    offset: int


# Partition and offset of an event.
Position: TypeAlias = tuple[int, int]
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
    with_tombstones: NDArray[np.int64]
    """Users with another event than ratings, rising."""

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
            snapshot=Histories.of(nothing),
            batches=nothing,
            end_offsets={},
            version=0,
            with_tombstones=np.empty(0, np.int64),
        )
        self._tail: dict[int, list[LogEvent]] = {}
        self._tail_tombstones: set[int] = set()
        """Users with another event than ratings there; it may have moved to the files since."""
        self._log_end_offsets: Mapping[int, int] = {}
        self.learned_end_offsets: Mapping[int, int] = {}
        """Partition -> end offset of what the items in service were given; they wait for nothing of
        a partition that is absent. Replaced by whoever gives them ratings.
        """

    @property
    def log_end_offsets(self) -> Mapping[int, int]:
        """Partition -> end offset of what was taken from the log."""
        return self._log_end_offsets

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
        # Outside the lock: readers need not wait for it.
        by_user = batches.by_user()
        tombstones = (part.user_id[~part.is_rating] for part in (snapshot.tombstones, batches))
        with_tombstones = np.unique(np.concatenate(list(tombstones)))
        with self._lock:
            self._files = files = _Files(
                snapshot=snapshot,
                batches=by_user,
                end_offsets=dict(end_offsets),
                version=self._files.version + 1,
                with_tombstones=with_tombstones,
            )
            tail = {
                user: [row for row in rows if not files.hold(row)]
                for user, rows in self._tail.items()
            }
            self._tail = {user: rows for user, rows in tail.items() if rows}
            self._tail_tombstones &= self._tail.keys()

    def add(self, rows: Iterable[LogEvent]) -> int:
        """Take events from the log, in the order of each partition; return how many the files did
        not hold.
        """
        with self._lock:  # else new files that hold a row could come between check and append
            new = [row for row in rows if not self._files.hold(row)]
            for row in new:
                self._tail.setdefault(row.event.user_id, []).append(row)
                if not isinstance(row.event, Rated):
                    self._tail_tombstones.add(row.event.user_id)
            ends = {row.partition: row.offset + 1 for row in new}
            self._log_end_offsets = {**self._log_end_offsets, **ends}
        return len(new)

    def lacks(self, row: LogEvent) -> bool:
        """Whether no file holds an event of the log."""
        return not self._files.hold(row)

    def is_unlearned(self, ratings: EventColumns) -> NDArray[np.bool_]:
        """Which ratings (n,) the items in service have yet to be given."""
        unlearned = np.zeros(len(ratings), bool)
        for partition, end in self.learned_end_offsets.items():
            unlearned |= (ratings.partition == partition) & (ratings.offset >= end)
        return unlearned

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
            # Most users dismiss nothing: theirs need not be sorted.
            if not self._has_tombstones(user_id):
                return EventColumns.empty()
            files, tail = self._files, list(self._tail.get(user_id, ()))
        last = compact(EventColumns.concatenate([*files.events_of(user_id), _columns(tail)]))
        return last[last.is_dismissal]

    def extended(
        self, user_id: int, history: EventColumns, version: HistoryVersion
    ) -> EventColumns | None:
        """The ratings of one user that count, given those of an earlier version; None where what
        came since does not simply follow.
        """
        with self._lock:
            files, (earlier, n_taken) = self._files, version
            newer = self._tail.get(user_id, [])[n_taken:]
            has_tombstones = self._has_tombstones(user_id)
        if files.version != earlier or has_tombstones:
            return None
        last = tuple(int(column[-1]) for column in _order(history)) if len(history) else (-1, 0, 0)
        rated = set[int]()
        for row in newer:
            event = row.event
            order = event.timestamp, row.partition, row.offset
            assert isinstance(event, Rated)
            if order <= last or event.item_id in rated or (history.item_id == event.item_id).any():
                return None
            last = order
            rated.add(event.item_id)
        return EventColumns.concatenate([history, _columns(newer)])

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
            with_tombstones = np.array(list(self._tail_tombstones), np.int64)
        newer = np.union1d(files.batches.user_id, np.array(tail, np.int64))
        # Only users with a deletion or erasure can have no rating left: the others' histories need
        # not be computed.
        doubtful = np.intersect1d(newer, np.concatenate([with_tombstones, files.with_tombstones]))
        without = [user for user in doubtful.tolist() if not len(self.of_user(user))]
        return np.setdiff1d(np.union1d(files.snapshot.user_ids, newer), without, assume_unique=True)

    def _has_tombstones(self, user_id: int) -> bool:
        """Whether a user may have another event than ratings; for the holder of the lock."""
        users = self._files.with_tombstones
        place = int(users.searchsorted(user_id))
        is_in_files = place < len(users) and int(users[place]) == user_id
        return is_in_files or user_id in self._tail_tombstones


def log_events(events: EventColumns) -> list[LogEvent]:
    """Each event by itself, in the same order."""
    positions = zip(events.partition.tolist(), events.offset.tolist(), strict=True)
    return [
        LogEvent(event, *position)
        for event, position in zip(events.events(), positions, strict=True)
    ]


def _order(events: EventColumns) -> tuple[NDArray[Any], ...]:
    """Of two events the one with the larger order is the later, whichever arrived first."""
    return events.timestamp, events.partition, events.offset


def _rows_of(sorted_by_user: EventColumns, user_id: int) -> EventColumns:
    first = int(np.searchsorted(sorted_by_user.user_id, user_id, side="left"))
    end = int(np.searchsorted(sorted_by_user.user_id, user_id, side="right"))
    return sorted_by_user[first:end]


def _columns(rows: Iterable[LogEvent]) -> EventColumns:
    rows = list(rows)
    return EventColumns.of_events(
        [row.event for row in rows], [row.partition for row in rows], [row.offset for row in rows]
    )
