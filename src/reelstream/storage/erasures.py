"""The note on erasures in the folder of the batches: which there are, and which batches were looked
through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from reelstream.ratings.columns import EventColumns


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """A user's erasure, and where it stands."""

    user_id: int
    timestamp: int
    partition: int
    offset: int
    batch: int
    """The number of the batch that holds it."""

    @classmethod
    def all_in(cls, rows: EventColumns, batch: int) -> list[Erasure]:
        """Those among a batch's rows."""
        found = rows[rows.is_erasure]
        columns = found.user_id, found.timestamp, found.partition, found.offset
        return [
            cls(user_id=user, timestamp=time, partition=partition, offset=offset, batch=batch)
            for user, time, partition, offset in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]

    @property
    def order(self) -> tuple[int, int, int]:
        """What has a smaller order is erased."""
        return self.timestamp, self.partition, self.offset


class ErasureNote(msgspec.Struct, frozen=True, kw_only=True):
    """What `erasures.json` holds."""

    format: Literal[1] = 1
    erasures: tuple[Erasure, ...] = ()
    last_batch: int = 0
    """The batches up to this number were looked through ..."""
    skipped: tuple[int, ...] = ()
    """... but for these, which were damaged or excluded."""

    def has_checked(self, number: int) -> bool:
        """Whether a batch needs no look."""
        return number <= self.last_batch and number not in self.skipped

    def extended(
        self, found: Iterable[Erasure], *, last_batch: int, skipped: Iterable[int]
    ) -> ErasureNote:
        """The note after another look."""
        return ErasureNote(
            erasures=(*self.erasures, *found),
            last_batch=last_batch,
            skipped=tuple(sorted(skipped)),
        )
