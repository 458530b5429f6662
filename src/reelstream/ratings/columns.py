"""Many events as parallel arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.events import Deleted, Dismissed, Erased, Event, EventKind, Rated

# The item_id of an erasure, which concerns all items of its user.
NO_ITEM: Final = -1
# Of a position; the partition is before them. No log gets so long.
_OFFSET_BITS: Final = 46
COLUMNS: Final = ("user_id", "item_id", "rating", "timestamp", "partition", "offset", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """n events, each with its place in the log.

    >>> EventColumns.of([1, 1], [31, 47], [4.5, 3.0], [100, 101]).rating.tolist()
    [4.5, 3.0]
    """

    user_id: NDArray[np.int64]
    """(n,)"""
    item_id: NDArray[np.int64]
    """(n,): NO_ITEM where the event erases."""
    rating: NDArray[np.float32]
    """(n,): NaN unless the event rates."""
    timestamp: NDArray[np.int64]
    """(n,): seconds since 1970, UTC."""
    partition: NDArray[np.int32]
    """(n,)"""
    offset: NDArray[np.int64]
    """(n,)"""
    kind: NDArray[np.int8]
    """(n,): EventKind."""

    def __len__(self) -> int:
        return len(self.user_id)

    def __getitem__(self, chosen: slice | NDArray[Any]) -> EventColumns:
        """The chosen events: a slice, a boolean mask, or row numbers."""
        return EventColumns(
            user_id=self.user_id[chosen],
            item_id=self.item_id[chosen],
            rating=self.rating[chosen],
            timestamp=self.timestamp[chosen],
            partition=self.partition[chosen],
            offset=self.offset[chosen],
            kind=self.kind[chosen],
        )

    @classmethod
    def of(
        cls,
        user_id: Sequence[int] | NDArray[Any],
        item_id: Sequence[int] | NDArray[Any],
        rating: Sequence[float] | NDArray[Any],
        timestamp: Sequence[int] | NDArray[Any],
        *,
        partition: Sequence[int] | NDArray[Any] | None = None,
        offset: Sequence[int] | NDArray[Any] | None = None,
        kind: NDArray[Any] | EventKind = EventKind.RATED,
    ) -> EventColumns:
        """Columns of the right types; one `kind` may stand for all.

        By default, the events are at offsets 0, 1, ... of partition 0.
        """
        n = len(user_id)
        return cls(
            user_id=np.asarray(user_id, np.int64),
            item_id=np.asarray(item_id, np.int64),
            rating=np.asarray(rating, np.float32),
            timestamp=np.asarray(timestamp, np.int64),
            partition=np.zeros(n, np.int32)
            if partition is None
            else np.asarray(partition, np.int32),
            offset=np.arange(n) if offset is None else np.asarray(offset, np.int64),
            kind=np.full(n, kind, np.int8) if isinstance(kind, int) else np.asarray(kind, np.int8),
        )

    @classmethod
    def of_events(
        cls, events: Sequence[Event], partition: Sequence[int], offset: Sequence[int]
    ) -> EventColumns:
        """These n events, with their places in the log."""
        if not events:
            return cls.empty()
        user_id, item_id, rating, timestamp, kind = zip(*map(event_cells, events), strict=True)
        return cls.of(
            user_id,
            item_id,
            rating,
            timestamp,
            partition=partition,
            offset=offset,
            kind=np.array(kind, np.int8),
        )

    @classmethod
    def with_nulls(
        cls,
        column_of: Callable[[str], NDArray[Any]],
        is_dismissal: NDArray[np.bool_] | None = None,
    ) -> EventColumns:
        """Events from columns without `kind`, as files store them.

        `column_of` returns a column by its name. An event whose rating is NaN is a deletion, unless
        `is_dismissal` (n,) says otherwise; if its item is NO_ITEM too, it is an erasure.
        """
        columns = {name: column_of(name) for name in COLUMNS if name != "kind"}
        kind = np.zeros(len(columns["rating"]), np.int8)
        kind[np.isnan(columns["rating"])] = EventKind.DELETED
        if is_dismissal is not None:
            kind[is_dismissal] = EventKind.DISMISSED
        # Last, as an erasure has no rating either.
        kind[columns["item_id"] == NO_ITEM] = EventKind.ERASED
        return cls(**columns, kind=kind)

    @classmethod
    def empty(cls) -> EventColumns:
        """No events."""
        return cls.of([], [], [], [])

    @classmethod
    def concatenate(cls, parts: Iterable[EventColumns]) -> EventColumns:
        """All events of `parts`, in their order."""
        parts = list(parts)
        if not parts:
            return cls.empty()
        return cls(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        )

    def events(self) -> Iterator[Event]:
        """Each event by itself, in order."""
        columns = (self.user_id, self.item_id, self.rating, self.timestamp, self.kind)
        for user_id, item_id, rating, timestamp, kind in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            if kind == EventKind.RATED:
                yield Rated(user_id, item_id, rating, timestamp)
            elif kind == EventKind.DELETED:
                yield Deleted(user_id, item_id, timestamp)
            elif kind == EventKind.DISMISSED:
                yield Dismissed(user_id, item_id, timestamp)
            else:
                yield Erased(user_id, timestamp)

    @property
    def positions(self) -> NDArray[np.int64]:
        """The place of each event (n,) in the log as one number, which rises with partition and
        offset.
        """
        return (self.partition.astype(np.int64) << _OFFSET_BITS) + self.offset

    @property
    def is_rating(self) -> NDArray[np.bool_]:
        """Which events (n,) rate."""
        return self._are(EventKind.RATED)

    @property
    def is_dismissal(self) -> NDArray[np.bool_]:
        """Which events (n,) dismiss an item."""
        return self._are(EventKind.DISMISSED)

    @property
    def is_erasure(self) -> NDArray[np.bool_]:
        """Which events (n,) erase their user's history."""
        return self._are(EventKind.ERASED)

    def is_after(self, end_offsets: Mapping[int, int]) -> NDArray[np.bool_]:
        """Which events (n,) are at or after the end offset of their partition.

        In a partition without an end offset, all events are.

        >>> events = EventColumns.of([1, 1], [31, 47], [4.5, 3.0], [100, 101])
        >>> events.is_after({0: 1}).tolist()
        [False, True]
        """
        ends = np.zeros(len(self), np.int64)
        for partition, end in end_offsets.items():
            ends[self.partition == partition] = end
        after: NDArray[np.bool_] = self.offset >= ends
        return after

    def is_among(self, others: EventColumns) -> NDArray[np.bool_]:
        """Which events (n,) have the same position in the log as one of the others."""
        among = np.zeros(len(self), bool)
        for partition in np.unique(others.partition).tolist():
            # An offset says nothing without its partition.
            own = self.partition == partition
            offsets = others.offset[others.partition == partition]
            among[own] = np.isin(self.offset[own], offsets)
        return among

    def by_user(self) -> EventColumns:
        """Sorted by user, then (timestamp, partition, offset): the order in which a history is
        filtered.
        """
        # lexsort sorts by its last key first.
        return self[np.lexsort((self.offset, self.partition, self.timestamp, self.user_id))]

    def by_time(self) -> EventColumns:
        """Sorted by (timestamp, partition, offset): the order in which a batch is replayed."""
        return self[np.lexsort((self.offset, self.partition, self.timestamp))]

    def _are(self, kind: EventKind) -> NDArray[np.bool_]:
        which: NDArray[np.bool_] = self.kind == kind
        return which


def event_cells(event: Event) -> tuple[int, int, float, int, EventKind]:
    """The values of an event in the columns user_id, item_id, rating, timestamp and kind."""
    match event:
        case Rated():
            return event.user_id, event.item_id, event.rating, event.timestamp, EventKind.RATED
        case Deleted():
            return event.user_id, event.item_id, math.nan, event.timestamp, EventKind.DELETED
        case Dismissed():
            return event.user_id, event.item_id, math.nan, event.timestamp, EventKind.DISMISSED
        case Erased():
            return event.user_id, NO_ITEM, math.nan, event.timestamp, EventKind.ERASED
