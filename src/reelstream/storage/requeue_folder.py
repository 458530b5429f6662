"""Rejected rows that are to be sent again, as they are after an edit.

    requeued/requeued_<k>.jsonl   what one command asked for: created once, never changed
    requeued/SENT                 the newest of these files that is in the log as a whole

A file is a source of rows, as a data set is: its content and its order are fixed before the first
of them is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

import msgspec

from reelstream.errors import DamagedError
from reelstream.files import encode_json
from reelstream.ratings.columns import NO_ITEM, event_cells
from reelstream.ratings.events import Deleted, Dismissed, Erased, Event, EventKind, Rated
from reelstream.ratings.ids import NUMBERS, Id, Ids
from reelstream.storage.file_store import FileStore
from reelstream.storage.rejected import Place
from reelstream.storage.store import Store, read_object

_SENT = "SENT"
_FILES = r"requeued_([1-9][0-9]*)\.jsonl"


class RequeuedRow(msgspec.Struct, frozen=True):
    """A rejected row after its edit."""

    partition: int
    """Of the record that was rejected."""
    offset: int
    event: Event


class _StoredEvent(msgspec.Struct, omit_defaults=True):
    user_id: Id
    item_id: Id
    """-1 where the event erases."""
    rating: float | None
    timestamp: int
    dismissed: bool = False


class _StoredRow(msgspec.Struct):
    partition: int
    offset: int
    rating: _StoredEvent


class _Sent(msgspec.Struct):
    number: int
    format: int = 1


class RequeueFolder:
    """The files of rows that are sent again. Publish and mark only under the lock."""

    def __init__(self, store: Store, ids: Ids = NUMBERS) -> None:
        self._store, self.ids = store, ids

    @classmethod
    def in_folder(cls, folder: Path, ids: Ids = NUMBERS) -> Self:
        """The files in a folder of this machine."""
        return cls(FileStore(folder), ids)

    def lock(self) -> AbstractContextManager[object]:
        """Of the one command that requeues, in `with`.

        Raises LockedError at once when there is another.
        """
        return self._store.lock(".lock")

    def sweep(self) -> None:
        """Remove what a killed command left. Call it only under the lock."""
        self._store.sweep()

    def numbers(self) -> list[int]:
        """Of all files, rising."""
        return [number for (number,) in self._store.numbers(_FILES)]

    def read(self, number: int) -> list[RequeuedRow]:
        """The rows of a file, in their order. Raises DamagedError."""
        data = self._store.read(_file_name(number))
        try:
            rows = msgspec.json.Decoder(_StoredRow).decode_lines(data)
            return [_read(row, self.ids) for row in rows]
        except msgspec.MsgspecError as error:
            file = self._store.describe(_file_name(number))
            raise DamagedError(f"{file} is not what was published: {error}") from error

    def fingerprint(self, number: int) -> str:
        """The content hash of a file, in hex. Raises StorageError."""
        return hashlib.sha256(self._store.read(_file_name(number))).hexdigest()

    def places(self) -> set[Place]:
        """Of all rejected rows that were requeued. Raises DamagedError."""
        return {
            (row.partition, row.offset) for number in self.numbers() for row in self.read(number)
        }

    def publish(self, rows: Sequence[RequeuedRow]) -> int:
        """Create the next file: from now on these rows are requeued. Returns its number; raises
        StorageError.
        """
        # The lock makes the number free; `put` would refuse it if somebody went without.
        number = max(self.numbers(), default=0) + 1
        data = msgspec.json.Encoder().encode_lines([_stored(row, self.ids) for row in rows])
        self._store.put(_file_name(number), data)
        return number

    def unsent(self) -> list[int]:
        """The numbers of the files that may not be in the log as a whole, rising. Raises
        DamagedError.
        """
        sent = read_object(self._store, _SENT, _Sent).number if self._store.has(_SENT) else 0
        return [number for number in self.numbers() if number > sent]

    def mark_sent(self, number: int) -> None:
        """Note that this file, and all before it, are in the log."""
        self._store.replace(_SENT, encode_json(_Sent(number)))


def _file_name(number: int) -> str:
    return f"requeued_{number}.jsonl"


def _stored(row: RequeuedRow, ids: Ids) -> _StoredRow:
    user_id, item_id, rating, timestamp, kind = event_cells(row.event)
    stored = _StoredEvent(
        ids.user.write(user_id),
        NO_ITEM if kind is EventKind.ERASED else ids.item.write(item_id),
        rating if kind is EventKind.RATED else None,
        timestamp,
        dismissed=kind is EventKind.DISMISSED,
    )
    return _StoredRow(row.partition, row.offset, stored)


def _read(row: _StoredRow, ids: Ids) -> RequeuedRow:
    stored = row.rating
    user_id = ids.user.read(stored.user_id)
    event: Event
    # No item has this id: it can only be an erasure.
    if stored.rating is None and stored.item_id == NO_ITEM:
        event = Erased(user_id, stored.timestamp)
    elif stored.rating is None:
        kind = Dismissed if stored.dismissed else Deleted
        event = kind(user_id, ids.item.read(stored.item_id), stored.timestamp)
    else:
        item_id = ids.item.read(stored.item_id)
        event = Rated(user_id, item_id, stored.rating, stored.timestamp)
    return RequeuedRow(row.partition, row.offset, event)
