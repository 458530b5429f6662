"""A batch's manifest: the files that it names, and its link in the chain of all manifests."""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from reelstream.errors import DamagedError
from reelstream.ratings.columns import EventColumns

FORMAT = 1


class BatchFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a batch, as it was published."""

    name: str
    rows: int
    bytes: int
    sha256: str


class OffsetRange(msgspec.Struct, frozen=True):
    """What a batch took from one partition."""

    first: int
    next: int
    """The offset after the last."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a batch exist, and says which part of the log it holds."""

    format: int = FORMAT
    number: int
    """1, 2, 3, ... without a gap."""
    revision: int = 1
    topic_id: str
    files: tuple[BatchFile, ...]
    """The accepted ratings."""
    rejected: BatchFile | None
    partitions: dict[int, OffsetRange]
    """The partitions that the batch took records from."""
    next_offsets: dict[int, int]
    """Of all partitions: where the next batch begins."""
    sources: dict[str, dict[int, int]]
    """Source -> partition -> its last row in this batch or an earlier one."""
    repeats: int
    """Records passed over because their source's row was in the log before."""
    closed_at: int
    """Seconds since 1970, UTC."""
    histogram: dict[float, int] = {}
    """Rating -> how many of the batch's ratings; deletions are not counted. Empty where an older
    version closed it.
    """
    erasures: int | None = None
    """How many of its rows erase a user; None where an older version closed it."""
    supersedes: int | None = None
    """The revision in whose place this one is; None for the first."""
    erased: dict[int, tuple[OffsetRange, ...]] = {}
    """Partition -> offsets of rows that were here, and were erased with their user."""
    lost: dict[int, OffsetRange] = {}
    """What the log had deleted before a batch took it, and a person accepted as lost; it lies
    before the batch.
    """
    text_ids: tuple[Literal["user", "item"], ...] = ()
    """Whose ids are texts in the file of ratings; the others are numbers."""
    names: BatchFile | None = None
    """The ids that no earlier batch holds, where ids are texts; None when there are none."""

    @property
    def rows(self) -> int:
        """How many ratings it holds, deletions among them."""
        return sum(file.rows for file in self.files)

    @property
    def rejected_rows(self) -> int:
        """How many rows of the log it rejected."""
        return self.rejected.rows if self.rejected else 0

    @property
    def erased_rows(self) -> int:
        """How many rows were erased from it."""
        return sum(each.next - each.first for ranges in self.erased.values() for each in ranges)

    @property
    def named_files(self) -> tuple[BatchFile, ...]:
        """All files that it makes exist."""
        others = (self.rejected, self.names)
        return (*self.files, *(file for file in others if file is not None))

    def check_follows(self, before: Manifest | None) -> None:
        """Raises DamagedError unless it goes on exactly where the manifest `before` ended; None is
        the beginning.
        """
        number = before.number + 1 if before else 1
        if self.number != number:
            raise DamagedError(
                f"manifest {number} is missing, manifest {self.number} is there: put it back"
            )
        if before and self.topic_id != before.topic_id:
            raise DamagedError(f"manifest {self.number} is of another topic than the one before it")
        # A partition that no manifest has named yet may begin at any offset (see the default of
        # `get` below); what was lost of it counts from 0.
        ended = before.next_offsets if before else {}
        for partition, gone in self.lost.items():
            if gone.first != ended.get(partition, 0):
                raise DamagedError(
                    f"manifest {self.number} calls offset {gone.first} of partition {partition} the"
                    f" first that is lost, but the one before it ended at {ended.get(partition, 0)}"
                )
        ended = ended | {partition: gone.next for partition, gone in self.lost.items()}
        for partition, taken in self.partitions.items():
            if taken.first != ended.get(partition, taken.first):
                raise DamagedError(
                    f"manifest {self.number} begins partition {partition} at offset {taken.first}, "
                    f"but the one before it ended at {ended[partition]}"
                )
        ends = ended | {partition: taken.next for partition, taken in self.partitions.items()}
        for partition, end in ends.items():
            if self.next_offsets.get(partition) != end:
                raise DamagedError(
                    f"manifest {self.number} contradicts itself: partition {partition} ends at"
                    f" {end}, its next offset is {self.next_offsets.get(partition)}"
                )


def histogram_of(events: EventColumns) -> dict[float, int]:
    """Rating -> how many events rate so."""
    values, counts = np.unique(events.rating[events.is_rating], return_counts=True)
    return {round(value, 4): n for value, n in zip(values.tolist(), counts.tolist(), strict=True)}


class IdNames(msgspec.Struct, frozen=True, kw_only=True):
    """Ids that are texts, each in the order of its first event."""

    format: int = FORMAT
    user: tuple[str, ...] = ()
    item: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.user) + len(self.item)


class RejectedRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record of the log that breaks the contract."""

    reason: str
    partition: int
    offset: int
    timestamp: int
    """When it entered the log, in milliseconds since 1970, UTC."""
    raw: bytes
    """The record's value; base64 in the file."""
    text: str | None = None
    """The same for a person to read, if it is UTF-8."""
