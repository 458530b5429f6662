"""Every row of a ratings file, one after another, whatever it holds: the producer's source."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.datasets.json_rows import JsonRowParser
from reelstream.datasets.layouts import RatingsFormat
from reelstream.datasets.line_index import LineIndex
from reelstream.datasets.plain_rows import plain_rows_hold, read_plain_rows
from reelstream.datasets.row_parser import MAX_RAW_BYTES, CsvRow, RowParser
from reelstream.errors import DatasetError
from reelstream.ratings.columns import EventColumns, event_cells
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS, MAX_ID
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale

Order = Literal["time", "file"]

# Few: one broken row makes all that are parsed with it slow.
_ROWS_AT_ONCE = 1024
_BLOCK_ROWS = 1 << 20


@dataclass(frozen=True, slots=True)
class RatingBlock:
    """Many rows of a ratings file in columns."""

    events: EventColumns
    """The rows that keep the contract; their offsets are row numbers."""
    rejected: list[CsvRow]
    """The others."""


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
        *,
        span: tuple[int, int] | None = None,
        ids: Ids = NUMBERS,
    ) -> None:
        """The first `start` rows are skipped, and rows outside of the bytes in `span` do not count.
        Raises StorageError, or DatasetError on an unknown order.
        """
        if order not in ("time", "file"):
            raise DatasetError(f"the order {order!r} is not known: take 'time' or 'file'")
        self._format, self._scale, self._start = ratings_format, scale, start
        self._has_times = ratings_format.timestamp is not None
        parser = JsonRowParser if ratings_format.is_json else RowParser
        self._parser, self._ids = parser(ratings_format, scale, ids), ids
        self._lines = LineIndex(path, ratings_format, span)
        self._order = self._times().argsort(kind="stable") if order == "time" else None

    def __len__(self) -> int:
        """All rows, the skipped ones too."""
        return len(self._lines)

    def __iter__(self) -> Iterator[CsvRow]:
        return chain.from_iterable(self._chunks())

    def _chunks(self) -> Iterator[Iterable[CsvRow]]:
        for first in range(self._start, len(self), _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, len(self))
            chosen = np.arange(first, last) if self._order is None else self._order[first:last]
            # Numbered in the order of sending: the producer counts on numbers that rise.
            yield self._parser.parse(self._lines.content, first, self._spans(chosen))

    def blocks(self) -> Iterator[RatingBlock]:
        """All rows in order of the file as columns: the plain ones are read together, each of the
        others as when it is iterated over.
        """
        for first in range(0, len(self), _BLOCK_ROWS):
            rows = np.arange(first, min(first + _BLOCK_ROWS, len(self)))
            starts, ends = self._lines.spans(rows[[0, -1]])
            content = self._lines.content[int(starts[0]) : int(ends[-1])]
            read = read_plain_rows(content, len(rows), self._format, self._ids)
            latest = int(time.time()) + MAX_CLOCK_LEAD_SECONDS
            is_good = plain_rows_hold(read, self._scale, latest)
            if is_good.all():
                yield RatingBlock(EventColumns.of(*read, offset=rows), [])
                continue
            # What polars hands out cannot be written to.
            read = read.copied()
            kinds = np.zeros(len(rows), np.int8)
            rejected = []
            for row in self._parsed(rows[~is_good]):
                if row.event is None:
                    rejected.append(row)
                else:
                    place = row.number - first
                    is_good[place] = True
                    *cells, kinds[place] = event_cells(row.event)
                    for column, cell in zip(read, cells, strict=True):
                        column[place] = cell
            events = EventColumns.of(*read, offset=rows, kind=kinds)
            yield RatingBlock(events[is_good], rejected)

    def _parsed(self, rows: NDArray[np.int64]) -> Iterator[CsvRow]:
        """These rows of the file, one by one, each with its own number."""
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = rows[first : first + _ROWS_AT_ONCE]
            parsed = self._parser.parse(self._lines.content, 0, self._spans(chosen))
            for number, row in zip(chosen.tolist(), parsed, strict=True):
                yield msgspec.structs.replace(row, number=number)

    def _times(self) -> NDArray[np.int64]:
        """Timestamp of every row in order of the file; one that cannot be read is that of the row
        before.
        """
        if not self._has_times:
            return np.zeros(len(self), np.int64)
        times, known = self._lines.plain_times()
        odd = np.flatnonzero(~known)
        for first in range(0, len(odd), _ROWS_AT_ONCE):
            rows = odd[first : first + _ROWS_AT_ONCE]
            for row, (start, end) in zip(rows.tolist(), self._spans(rows), strict=True):
                # A longer row is no rating, wherever it is sent.
                raw = self._lines.content[start:end] if end - start <= MAX_RAW_BYTES else b""
                timestamp = self._parser.time(raw)
                if timestamp is not None and 0 <= timestamp <= MAX_ID:
                    times[row], known[row] = timestamp, True
        row_of_time = np.maximum.accumulate(np.where(known, np.arange(len(self)), -1))
        return np.where(row_of_time >= 0, times[row_of_time], -1)

    def _spans(self, rows: NDArray[np.int64]) -> list[tuple[int, int]]:
        starts, ends = self._lines.spans(rows)
        return list(zip(starts.tolist(), ends.tolist(), strict=True))
