"""A history snapshot read in parts: it may be longer than the memory of whoever wants some of
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from reelstream.errors import DamagedError
from reelstream.files import translate_errors
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories, rows_of_users
from reelstream.storage.snapshot import (
    RATINGS,
    TOMBSTONES,
    as_events,
    column_path,
    columns_in,
)

# Read at once: some 40 MB. Read, not mapped: pages that are mapped count as memory of this process.
CHUNK_ROWS = 1_000_000


class SnapshotReader:
    """The history in a folder that `Histories.save` has written, or an empty one."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` None: no ratings. Raises DamagedError."""
        self._folder = folder
        self.user_ids: NDArray[np.int64] = np.empty(0, np.int64)
        """(n_users,), rising: the users who have ratings."""
        self._counts: NDArray[np.int64] = np.empty(0, np.int64)
        if folder is not None:
            try:
                self.user_ids, starts = (
                    np.load(folder / "user_ids.npy"),
                    np.load(folder / "starts.npy"),
                )
            except (OSError, ValueError, EOFError) as error:
                raise DamagedError(f"the history in {folder} cannot be read: {error}") from error
            self._counts = np.diff(starts)

    def ratings_of(self, user_ids: NDArray[np.int64]) -> int:
        """How many ratings these users (rising) have together."""
        return int(self._counts[np.isin(self.user_ids, user_ids, assume_unique=True)].sum())

    def of_users(self, user_ids: NDArray[np.int64]) -> Histories:
        """The history of these users (rising), in memory. Raises StorageError."""
        parts = (
            EventColumns.concatenate(
                chunk[rows_of_users(chunk, user_ids)] for chunk in self._chunks(name)
            )
            for name in (RATINGS, TOMBSTONES)
        )
        return Histories.of_parts(*parts)

    def ratings(self) -> Iterator[EventColumns]:
        """All ratings, sorted by user, a chunk at a time. Raises StorageError."""
        return self._chunks(RATINGS)

    def _chunks(self, part: str) -> Iterator[EventColumns]:
        if self._folder is None:
            return
        with translate_errors(self._folder), ExitStack() as opened:
            columns = {}
            for name in columns_in(self._folder, part):
                file = opened.enter_context(open(column_path(self._folder, part, name), "rb"))
                columns[name] = _Column(file)
            while len(chunk := as_events({name: each.read() for name, each in columns.items()})):
                yield chunk


class _Column:
    def __init__(self, file: BinaryIO) -> None:
        np.lib.format.read_magic(file)
        _, _, self._dtype = np.lib.format.read_array_header_1_0(file)
        self._file = file

    def read(self) -> NDArray[Any]:
        """The next CHUNK_ROWS numbers, fewer at the end."""
        return np.fromfile(self._file, self._dtype, CHUNK_ROWS)
