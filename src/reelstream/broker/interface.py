"""The log as the rest of reelstream sees it: topics of partitions of records, and offsets.

An offset is the place of a record in its partition; the *next offset* is one behind the last. Offsets may have gaps,
also at the end: a log may hold what no reader gets, such as the marks at the end of a transaction.
Adapters raise BrokerError, keep the foreign error as its cause, and are used in `with`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import msgspec

Offsets = Mapping[int, int]
"""Partition -> offset."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One message as the log holds it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    timestamp: int
    """When it entered the log, in milliseconds since 1970, UTC."""


class Closing(Protocol):
    """Something that is closed at the end of its `with`."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Producer(Closing, Protocol):
    """Appends records to one topic. Records with the same key go to the same partition and stay in order."""

    def send(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Take one record. It is durable once `flush` has returned, not before. Raises BrokerError."""

    def flush(self) -> None:
        """Return when every record taken so far is durable. Raises BrokerError when one was not."""


class Consumer(Closing, Protocol):
    """Reads records of one topic, from offsets that the reader names."""

    def seek(self, offsets: Offsets) -> None:
        """Read these partitions, and no others, each from this offset on."""

    def poll(self, most: int, seconds: float) -> list[Record]:
        """Up to `most` records, in order within each partition; an empty list when none came in `seconds`."""

    def positions(self) -> dict[int, int]:
        """Partition -> where the next `poll` goes on: behind the records returned, and behind a gap that ends it."""


class Broker(Closing, Protocol):
    """A log with named topics."""

    def ensure_topic(self, topic: str, partitions: int) -> int:
        """Make the topic if it does not exist; return how many partitions it has."""

    def topic_id(self, topic: str) -> str:
        """The identity of a topic: another one under the same name, made after a deletion, has another."""

    def start_offsets(self, topic: str) -> dict[int, int]:
        """The first offset that each partition still holds. Raises BrokerError for an unknown topic."""

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The next offset of each partition. Raises BrokerError for an unknown topic."""

    def commit_offsets(self, group: str, topic: str, offsets: Offsets) -> None:
        """Note how far a consumer group has read: a hint for lag monitors, never a source of truth."""

    def committed_offsets(self, group: str, topic: str) -> dict[int, int]:
        """What the group noted last; partitions that it never noted are absent."""

    def producer(self, topic: str, *, linger_seconds: float = 0.005) -> Producer:
        """A producer for an existing topic; a record may wait so long for others that are sent with it."""

    def consumer(self, topic: str) -> Consumer:
        """A consumer of an existing topic; it reads nothing before its first `seek`."""
