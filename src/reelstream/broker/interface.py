"""The log as the rest of reelstream sees it: topics of partitions of records, and offsets.

An offset is the place of a record in its partition; an *end offset* is one more than the last.
Offsets may have gaps, also at the end: a log may hold what no reader gets, such as the marks at the
end of a transaction. Adapters raise BrokerError, keep the foreign error as its cause, and are used
in `with`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

# Partition -> offset.
Offsets = Mapping[int, int]
# Key and value of one record.
Keyed = tuple[bytes | None, bytes | None]
# Of one record, in the order of its sender.
Headers = Sequence[tuple[str, bytes | None]]
# The same of a record that is sent.
SentHeaders = Sequence[tuple[str, bytes]]


# `gc=False`: a scan of the log makes millions, none in a cycle.
class Record(msgspec.Struct, frozen=True, gc=False):
    """One message as the log holds it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    """When it entered the log, in milliseconds since 1970, UTC; on a log whose senders set the
    times of records, when its sender says so.
    """


class Records(msgspec.Struct, frozen=True, eq=False):
    """What one read returned, in columns: n records, in order within each partition."""

    partition: NDArray[np.int32]
    """(n,)"""
    offset: NDArray[np.int64]
    """(n,)"""
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers]
    timestamp: NDArray[np.int64]
    """(n,): milliseconds since 1970, UTC."""
    clock: NDArray[np.int64]
    """(n,): up to when the records' events may have happened, in milliseconds: `timestamp`, or the
    reader's clock where senders set that.
    """

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> Record:
        return Record(
            int(self.partition[place]),
            int(self.offset[place]),
            self.keys[place],
            self.values[place],
            self.headers[place],
            int(self.timestamp[place]),
        )

    def __iter__(self) -> Iterator[Record]:
        columns = (
            self.partition.tolist(),
            self.offset.tolist(),
            self.keys,
            self.values,
            self.headers,
        )
        return map(Record, *columns, self.timestamp.tolist())

    def chosen(self, mask: NDArray[np.bool_]) -> Records:
        """Those where `mask`, (n,), is true."""
        if mask.all():
            return self
        places = np.flatnonzero(mask).tolist()
        return Records(
            self.partition[mask],
            self.offset[mask],
            [self.keys[place] for place in places],
            [self.values[place] for place in places],
            [self.headers[place] for place in places],
            timestamp=self.timestamp[mask],
            clock=self.clock[mask],
        )

    @classmethod
    def of(
        cls,
        partition: Sequence[int],
        offset: Sequence[int],
        keys: Sequence[bytes | None],
        values: Sequence[bytes | None],
        headers: Sequence[Headers],
        timestamp: Sequence[int] | NDArray[np.int64],
        *,
        clock: NDArray[np.int64] | None = None,
    ) -> Records:
        """Columns of the right types; without a clock, the records' times are the log's own."""
        times = np.array(timestamp, np.int64)
        return cls(
            partition=np.array(partition, np.int32),
            offset=np.array(offset, np.int64),
            keys=keys,
            values=values,
            headers=headers,
            timestamp=times,
            clock=times if clock is None else clock,
        )


class Closing(Protocol):
    """Something that is closed at the end of its `with`."""

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Producer(Closing, Protocol):
    """Appends records to one topic. Records with the same key go to the same partition and stay in
    order.
    """

    def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Take one record. It is durable once `flush` has returned, not before. Raises
        BrokerError.
        """

    def flush(self) -> None:
        """Return when every record taken so far is durable. Raises BrokerError when one was not."""


class Appender(Closing, Protocol):
    """Appends records to one topic for somebody who waits for each."""

    def append(
        self, records: Sequence[Keyed], headers: Sequence[SentHeaders] = ()
    ) -> list[tuple[int, int]]:
        """Append these records, and return once all are durable: partition and offset of each.

        headers: of each record; none of any by default.

        Raises BrokerError; then a record may become durable nevertheless, where the log is reached
        over a network.
        """


class Consumer(Closing, Protocol):
    """Reads records of one topic, from offsets that the reader names."""

    def seek(self, offsets: Offsets) -> None:
        """Read these partitions, and no others, each from this offset on."""

    def poll(self, most: int, seconds: float) -> Records:
        """Up to `most` records, in order within each partition; none when none came in
        `seconds`.
        """

    def positions(self) -> dict[int, int]:
        """Partition -> where the next `poll` continues: after the records returned, and after a gap
        that ends it.
        """


class Broker(Closing, Protocol):
    """A log with named topics."""

    def ensure_topic(self, topic: str, partitions: int) -> int:
        """Make the topic if it does not exist; return how many partitions it has."""

    def topics(self) -> list[str]:
        """The names of all topics, in order; not those that the log keeps for itself."""

    def topic_id(self, topic: str) -> str:
        """The identity of a topic: another one under the same name, made after a deletion, has
        another.
        """

    def start_offsets(self, topic: str) -> dict[int, int]:
        """The first offset that each partition still holds. Raises BrokerError for an unknown
        topic.
        """

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The next offset of each partition. Raises BrokerError for an unknown topic."""

    def commit_offsets(self, group: str, topic: str, offsets: Offsets) -> None:
        """Note how far a consumer group has read: a hint for lag monitors, never a source of
        truth.
        """

    def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """What the group noted last; partitions that it never noted are absent."""

    def producer(self, topic: str, *, linger_seconds: float = 0.005) -> Producer:
        """A producer for an existing topic; a record may wait so long for others that are sent with
        it.
        """

    def appender(self, topic: str) -> Appender:
        """An appender for an existing topic, for one thread."""

    def consumer(self, topic: str) -> Consumer:
        """A consumer of an existing topic; it reads nothing before its first `seek`."""
