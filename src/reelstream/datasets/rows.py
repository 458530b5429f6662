"""Every row of a ratings file, one after another, whatever it holds: the producer's source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reelstream.datasets.layouts import RatingsFormat
from reelstream.datasets.line_index import LineIndex
from reelstream.datasets.row_parser import MAX_RAW_BYTES, CsvRow, RowParser, readable_time
from reelstream.errors import DatasetError
from reelstream.ratings.scale import RatingScale

Order = Literal["time", "file"]

_ROWS_AT_ONCE = 1024
"""Few: one broken row makes all that are parsed with it slow."""


class RatingRows:
    """The rows of a ratings file in the order of sending; its length is their number.

    In order of time, rows of one second stay in the order of the file, and a row whose time cannot
    be read stays after the row before it. Memory holds 8 bytes a row in order of the file and 16
    in order of time (32 while it is sorted).
    """

    def __init__(
        self,
        path: Path,
        ratings_format: RatingsFormat,
        scale: RatingScale,
        order: Order,
        start: int = 0,
    ) -> None:
        """The first `start` rows are skipped. Raises StorageError, or DatasetError on an
        unknown order.
        """
        if order not in ("time", "file"):
            raise DatasetError(f"the order {order!r} is not known: take 'time' or 'file'")
        self._format, self._scale, self._start = ratings_format, scale, start
        self._lines = LineIndex(path, ratings_format)
        self._order = self._times().argsort(kind="stable") if order == "time" else None

    def __len__(self) -> int:
        """All rows, the skipped ones too."""
        return len(self._lines)

    def __iter__(self) -> Iterator[CsvRow]:
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[Iterable[CsvRow]]:
        parser = RowParser(self._format, self._scale)
        for first in range(self._start, len(self), _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, len(self))
            chosen = np.arange(first, last) if self._order is None else self._order[first:last]
            yield parser.parse(self._lines.content, first, self._spans(chosen))

    def _times(self) -> NDArray[np.int64]:
        """Timestamp of every row in order of the file; one that cannot be read is that of the row
        before.
        """
        times, known = self._lines.plain_times()
        odd = np.flatnonzero(~known)
        for row, (start, end) in zip(odd.tolist(), self._spans(odd), strict=True):
            raw = self._lines.content[start:end] if end - start <= MAX_RAW_BYTES else b""
            if (timestamp := readable_time(raw, self._format)) is not None:
                times[row], known[row] = timestamp, True
        row_of_time = np.maximum.accumulate(np.where(known, np.arange(len(self)), -1))
        return np.where(row_of_time >= 0, times[row_of_time], -1)

    def _spans(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        starts, ends = self._lines.spans(rows)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))
