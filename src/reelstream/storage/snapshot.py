"""Every user's ratings as they count, sorted by user, in arrays that are mapped instead of read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelstream.errors import DamagedError
from reelstream.files import translate_errors
from reelstream.ratings import EventColumns


@dataclass(frozen=True, slots=True)
class HistorySnapshot:
    """One rating for each (user, item): the last. Each user's rows are sorted by (timestamp,
    partition, offset).
    """

    user_ids: NDArray[np.int64]
    """(n_users,), rising: the users who have ratings."""
    starts: NDArray[np.int64]
    """(n_users + 1,): the rows of user `u` are `starts[u]` up to, but without, `starts[u + 1]`."""
    ratings: EventColumns
    """All rows, sorted as EventColumns.by_user."""
    deletions: EventColumns
    """The deletions that are still the last word on their (user, item), sorted alike: an older
    rating that arrives late stays deleted.
    """

    @classmethod
    def of(cls, columns: EventColumns) -> HistorySnapshot:
        """The history that these ratings and deletions, in any order, add up to."""
        return cls._of_settled(columns.settled())

    @classmethod
    def _of_settled(cls, settled: EventColumns) -> HistorySnapshot:
        deletes = np.isnan(settled.rating)
        if not deletes.any():
            return cls.of_parts(settled, EventColumns.empty())
        return cls.of_parts(settled[~deletes], settled[deletes])

    @classmethod
    def of_parts(cls, ratings: EventColumns, deletions: EventColumns) -> HistorySnapshot:
        """The history whose ratings and deletions these are, settled and sorted."""
        first = np.ones(len(ratings), bool)
        np.not_equal(ratings.user_id[1:], ratings.user_id[:-1], out=first[1:])
        firsts = np.flatnonzero(first)
        return cls(
            ratings.user_id[firsts],
            np.append(firsts, len(ratings)).astype(np.int64),
            ratings,
            deletions,
        )

    def __len__(self) -> int:
        return len(self.ratings)

    def of_user(self, user_id: int) -> EventColumns:
        """The ratings of one user, oldest first; none for a user nobody knows. Views, not
        copies.
        """
        row = int(np.searchsorted(self.user_ids, user_id))
        if row == len(self.user_ids) or self.user_ids[row] != user_id:
            return self.ratings[:0]
        return self.ratings[int(self.starts[row]) : int(self.starts[row + 1])]

    def of_users(self, user_ids: NDArray[np.int64]) -> EventColumns:
        """The ratings of these users (rising), in the history's order; users nobody knows have
        none.
        """
        return self.ratings[users_among(self.ratings, user_ids)]

    def merge(self, newer: EventColumns) -> HistorySnapshot:
        """The same history with further ratings and deletions, whichever way their times lie.

        Only the users in `newer` are sorted again; all others are copied as they lie.
        """
        if not len(newer):
            return self
        users = np.unique(newer.user_id)
        touched, deletes = users_among(self.ratings, users), users_among(self.deletions, users)
        settled = EventColumns.concatenate(
            [self.ratings[touched], self.deletions[deletes], newer]
        ).settled()
        gone = np.isnan(settled.rating)
        return HistorySnapshot.of_parts(
            _interleave(self.ratings[~touched], settled[~gone]),
            _interleave(self.deletions[~deletes], settled[gone]),
        )

    def save(self, folder: Path) -> None:
        """Write one array a file into `folder`, which exists. Raises StorageError."""
        with translate_errors(folder):
            np.save(folder / "user_ids.npy", self.user_ids)
            np.save(folder / "starts.npy", self.starts)
            for name, columns in (("rating", self.ratings), ("deletion", self.deletions)):
                for field in fields(EventColumns):
                    np.save(folder / f"{name}s_{field.name}.npy", getattr(columns, field.name))

    @classmethod
    def load(cls, folder: Path) -> HistorySnapshot:
        """What `save` wrote, mapped, not read. Raises DamagedError."""
        try:
            user_ids, starts = _mapped(folder / "user_ids.npy"), _mapped(folder / "starts.npy")
            ratings, deletions = (
                EventColumns(
                    *(
                        _mapped(folder / f"{name}s_{field.name}.npy")
                        for field in fields(EventColumns)
                    )
                )
                for name in ("rating", "deletion")
            )
        except (OSError, ValueError, EOFError) as error:
            raise DamagedError(f"the history in {folder} cannot be read: {error}") from error
        history = cls(user_ids, starts, ratings, deletions)
        if not history._fits_together():
            raise DamagedError(
                f"the history in {folder} has arrays of lengths that do not fit together"
            )
        return history

    def _fits_together(self) -> bool:
        columns_fit = all(
            len(getattr(columns, field.name)) == len(columns)
            for columns in (self.ratings, self.deletions)
            for field in fields(EventColumns)
        )
        return (
            columns_fit
            and len(self.starts) == len(self.user_ids) + 1
            and self.starts[-1] == len(self.ratings)
        )


class SnapshotWriter:
    """A history that several processes write into one folder, each a range of users."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(
        self, user_ids: NDArray[np.int64], counts: NDArray[np.int64], n_deletions: int
    ) -> None:
        """The users who have ratings (n_users,), rising, with their counts; room for all the rest.
        Raises StorageError.
        """
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        with translate_errors(self._folder):
            np.save(self._folder / "user_ids.npy", user_ids)
            np.save(self._folder / "starts.npy", starts)
            for name, n in (("rating", int(starts[-1])), ("deletion", n_deletions)):
                for field in fields(EventColumns):
                    dtype = getattr(EventColumns.empty(), field.name).dtype
                    header = {"descr": dtype.str, "fortran_order": False, "shape": (n,)}
                    with open(self._folder / f"{name}s_{field.name}.npy", "wb") as file:
                        np.lib.format.write_array_header_1_0(file, header)
                        file.truncate(file.tell() + n * dtype.itemsize)

    def write(self, part: HistorySnapshot, first_rating: int, first_deletion: int) -> None:
        """The ratings and deletions of a range of users, whose first are these among all. Raises
        StorageError.
        """
        places = (
            ("rating", part.ratings, first_rating),
            ("deletion", part.deletions, first_deletion),
        )
        for name, columns, first in places:
            for field in fields(EventColumns):
                path = self._folder / f"{name}s_{field.name}.npy"
                column = getattr(columns, field.name)
                with translate_errors(path), open(path, "r+b") as file:
                    np.lib.format.read_magic(file)
                    np.lib.format.read_array_header_1_0(file)
                    # Written, not mapped: two machines may write into one page of the file.
                    file.seek(file.tell() + first * column.itemsize)
                    file.write(column.tobytes())


def users_among(columns: EventColumns, users: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows belong to these users (sorted); columns sorted by user cost two searches a
    user.
    """
    steps = np.zeros(len(columns) + 1, np.int8)
    firsts = np.searchsorted(columns.user_id, users, side="left")
    nexts = np.searchsorted(columns.user_id, users, side="right")
    np.add.at(steps, firsts, 1)
    np.add.at(steps, nexts, -1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _interleave(a: EventColumns, b: EventColumns) -> EventColumns:
    """Two columns sorted by user, of different users, as one."""
    if not len(b):
        return a
    places = np.searchsorted(a.user_id, b.user_id) + np.arange(len(b))
    from_a = np.ones(len(a) + len(b), bool)
    from_a[places] = False

    def merged(name: str) -> NDArray[Any]:
        column = np.empty(len(from_a), getattr(a, name).dtype)
        column[places], column[from_a] = getattr(b, name), getattr(a, name)
        return column

    return EventColumns(*(merged(field.name) for field in fields(EventColumns)))


def _mapped(path: Path) -> NDArray[Any]:
    """As a plain array: slicing a numpy.memmap costs many times as much."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
