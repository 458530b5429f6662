"""Every user's ratings up to this moment: the snapshot, the batches since, and the log behind
them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import effective_ratings
from reelstream.ratings.events import Event, Rated
from reelstream.ratings.histories import Histories


class LogEvent(NamedTuple):
    """A rating and its place in the log."""

    event: Event
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files hold; never changed, only replaced."""

    snapshot: Histories
    batches: EventColumns
    """Newer than the snapshot, sorted by user, deletions among them."""
    next_offsets: Mapping[int, int]


class LiveHistories:
    """LiveHistories of all users, for many readers and one or two writers.

    A rating lies in exactly one of three layers. Its offset decides: the files hold what is before
    the newest manifest's next offsets, the tail what came after. So it makes no difference who is
    first to bring a rating, the batch or the log.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = _Files(Histories.of(EventColumns.empty()), EventColumns.empty(), {})
        self._tail: dict[int, list[LogEvent]] = {}
        self._version = 0

    @property
    def version(self) -> int:
        """Rises with every change: as long as it stays, so does every history."""
        return self._version

    @property
    def next_offsets(self) -> Mapping[int, int]:
        """Partition -> offset behind what the files hold: the log is followed from here."""
        return self._files.next_offsets

    def replace_files(
        self, snapshot: Histories, batches: EventColumns, next_offsets: Mapping[int, int]
    ) -> None:
        """Put new files under the tail, which loses what they hold.

        `batches` are the ratings and deletions newer than the snapshot, in any order.
        """
        files = _Files(snapshot, batches.by_user(), dict(next_offsets))
        with self._lock:
            self._files = files
            tail = {
                user: [row for row in rows if _is_behind(row, files)]
                for user, rows in self._tail.items()
            }
            self._tail = {user: rows for user, rows in tail.items() if rows}
            self._version += 1

    def add(self, ratings: Iterable[LogEvent]) -> int:
        """Take ratings from the log, in the order of each partition; return how many the files did
        not hold.
        """
        with self._lock:
            new = [row for row in ratings if _is_behind(row, self._files)]
            for row in new:
                self._tail.setdefault(row.event.user_id, []).append(row)
            if new:
                self._version += 1
        return len(new)

    def lacks(self, row: LogEvent) -> bool:
        """Whether the files do not hold a rating of the log."""
        return _is_behind(row, self._files)

    def will_count(self, row: LogEvent) -> bool:
        """Whether a rating of the log counts once it is added: nothing later replaces, deletes or
        forgets it.
        """
        history = self.of_user(row.event.user_id, [row])
        return bool(((history.offset == row.offset) & (history.partition == row.partition)).any())

    def of_user(self, user_id: int, coming: Iterable[LogEvent] = ()) -> EventColumns:
        """What counts of one user's ratings, oldest first (the order of EventColumns.by_user); with
        those `coming`.
        """
        with self._lock:
            files, tail = self._files, [*self._tail.get(user_id, ()), *coming]
        settled = files.snapshot.of_user(user_id)
        newer = _rows_of(files.batches, user_id)
        if not tail and not len(newer):
            return settled
        deletions = _rows_of(files.snapshot.tombstones, user_id)
        return effective_ratings(
            EventColumns.concatenate([settled, deletions, newer, _columns(tail)])
        )

    def newest_behind(self, offsets: Mapping[int, int], most: int) -> EventColumns:
        """At most `most` ratings from these offsets on that no snapshot holds, the newest by time,
        oldest first.
        """
        with self._lock:
            files, tail = self._files, [row for rows in self._tail.values() for row in rows]
        newer = EventColumns.concatenate([files.batches, _columns(tail)])
        begin = np.array(
            [offsets.get(partition, 0) for partition in newer.partition.tolist()], np.int64
        )
        return newer[(newer.offset >= begin) & newer.is_rating].by_time()[-most:]

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
        doubtful = np.intersect1d(newer, np.concatenate([np.array(deleting, np.int64), *in_files]))
        gone = [user for user in doubtful.tolist() if not len(self.of_user(user))]
        return np.setdiff1d(np.union1d(files.snapshot.user_ids, newer), gone, assume_unique=True)


def _is_behind(row: LogEvent, files: _Files) -> bool:
    return row.offset >= files.next_offsets.get(row.partition, 0)


def _rows_of(sorted_by_user: EventColumns, user_id: int) -> EventColumns:
    first = int(np.searchsorted(sorted_by_user.user_id, user_id, side="left"))
    last = int(np.searchsorted(sorted_by_user.user_id, user_id, side="right"))
    return sorted_by_user[first:last]


def _columns(rows: Iterable[LogEvent]) -> EventColumns:
    rows = list(rows)
    return EventColumns.of_events(
        [row.event for row in rows], [row.partition for row in rows], [row.offset for row in rows]
    )


def log_events(events: EventColumns) -> list[LogEvent]:
    """Each event by itself, in the same order."""
    places = zip(events.partition.tolist(), events.offset.tolist(), strict=True)
    return [LogEvent(event, *place) for event, place in zip(events.events(), places, strict=True)]
