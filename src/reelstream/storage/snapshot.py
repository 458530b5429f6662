"""Snapshots: the histories of all users in a folder, one array a file, mapped instead of read.

user_ids.npy, starts.npy                who has ratings, and where they begin
ratings_<column>.npy                    the ratings that count
deletions_<column>.npy                  the tombstones, with their kinds; in snapshots from before
                                        there were dismissals a missing rating or item says which
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reelstream.errors import DamagedError
from reelstream.files import translate_errors
from reelstream.ratings.columns import COLUMNS, EventColumns
from reelstream.ratings.histories import Histories

# What the names of the files of each part begin with.
RATINGS, TOMBSTONES = "ratings", "deletions"
STORED_COLUMNS: Final = {
    RATINGS: tuple(name for name in COLUMNS if name != "kind"),
    TOMBSTONES: COLUMNS,
}


def write_snapshot(histories: Histories, folder: Path) -> None:
    """Write one array a file into `folder`, which exists. Raises StorageError."""
    with translate_errors(folder):
        np.save(folder / "user_ids.npy", histories.user_ids)
        np.save(folder / "starts.npy", histories.starts)
        for part, events in _parts(histories):
            for name in STORED_COLUMNS[part]:
                np.save(column_path(folder, part, name), getattr(events, name))


def read_snapshot(folder: Path) -> Histories:
    """What `write_snapshot` wrote, mapped, not read. Raises DamagedError."""
    try:
        user_ids, starts = _mapped(folder / "user_ids.npy"), _mapped(folder / "starts.npy")
        ratings, tombstones = (
            {name: _mapped(column_path(folder, part, name)) for name in columns_in(folder, part)}
            for part in (RATINGS, TOMBSTONES)
        )
    except (OSError, ValueError, EOFError) as error:
        raise DamagedError(f"the history in {folder} cannot be read: {error}") from error
    n_ratings, n_tombstones = len(ratings["user_id"]), len(tombstones["user_id"])
    fits = (
        all(len(column) == n_ratings for column in ratings.values())
        and all(len(column) == n_tombstones for column in tombstones.values())
        and len(starts) == len(user_ids) + 1
        and starts[-1] == n_ratings
    )
    if not fits:
        raise DamagedError(
            f"the history in {folder} has arrays of lengths that do not fit together"
        )
    return Histories(
        user_ids=user_ids,
        starts=starts,
        ratings=EventColumns(**ratings, kind=np.zeros(n_ratings, np.int8)),
        tombstones=as_events(tombstones),
    )


def columns_in(folder: Path, part: str) -> tuple[str, ...]:
    """The columns of a part, RATINGS or TOMBSTONES, that lie in a snapshot."""
    has_kinds = column_path(folder, TOMBSTONES, "kind").exists()
    return STORED_COLUMNS[part if has_kinds else RATINGS]


def as_events(columns: Mapping[str, NDArray[Any]]) -> EventColumns:
    """Events from stored columns, by name; without `kind`, what is missing tells it."""
    if "kind" in columns:
        return EventColumns(**columns)
    return EventColumns.with_nulls(columns.__getitem__)


class SnapshotWriter:
    """A snapshot that several processes write into one folder, each a range of users."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(
        self, user_ids: NDArray[np.int64], counts: NDArray[np.int64], n_tombstones: int
    ) -> None:
        """Write the users who have ratings (n_users,), rising, with their counts, and empty columns
        for the rest.

        Raises StorageError.
        """
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        with translate_errors(self._folder):
            np.save(self._folder / "user_ids.npy", user_ids)
            np.save(self._folder / "starts.npy", starts)
            for part, n in ((RATINGS, int(starts[-1])), (TOMBSTONES, n_tombstones)):
                for name in STORED_COLUMNS[part]:
                    dtype = getattr(EventColumns.empty(), name).dtype
                    header = {"descr": dtype.str, "fortran_order": False, "shape": (n,)}
                    with open(column_path(self._folder, part, name), "wb") as file:
                        np.lib.format.write_array_header_1_0(file, header)
                        file.truncate(file.tell() + n * dtype.itemsize)

    def write(self, histories: Histories, first_rating: int, first_tombstone: int) -> None:
        """Write a range of users, whose first rating and tombstone have these positions among all.

        Raises StorageError.
        """
        firsts = {RATINGS: first_rating, TOMBSTONES: first_tombstone}
        for part, events in _parts(histories):
            for name in STORED_COLUMNS[part]:
                path, column = column_path(self._folder, part, name), getattr(events, name)
                with translate_errors(path), open(path, "r+b") as file:
                    np.lib.format.read_magic(file)
                    np.lib.format.read_array_header_1_0(file)
                    # Written, not mapped: two machines may write into one page of the file.
                    file.seek(file.tell() + firsts[part] * column.itemsize)
                    file.write(column.tobytes())


def column_path(folder: Path, part: str, name: str) -> Path:
    """Where a column of a part, RATINGS or TOMBSTONES, lies."""
    return folder / f"{part}_{name}.npy"


def _parts(histories: Histories) -> tuple[tuple[str, EventColumns], ...]:
    return (RATINGS, histories.ratings), (TOMBSTONES, histories.tombstones)


def _mapped(path: Path) -> NDArray[Any]:
    """As a plain array: slicing a numpy.memmap costs many times as much."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
