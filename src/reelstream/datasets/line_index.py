"""Where the rows of a mapped ratings file lie, and the times in them, read with numpy a window at a
time.
"""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelstream.datasets.layouts import RatingsFormat
from reelstream.files import translate_errors
from reelstream.ratings.values import all_as_seconds

# So many digits always fit an int64.
MAX_DIGITS = 18

# A window at a time, because positions found in it take 8 bytes each, and the text of a digit one.
_WINDOW_BYTES = 1 << 24
_LINE_END, _CARRIAGE_RETURN, _ZERO = 10, 13, 48


class LineIndex:
    """The rows of a ratings file: 8 bytes of memory for each, the file itself is mapped.

    The header is not a row, nor is a blank line at the very end.
    """

    def __init__(
        self, path: Path, ratings_format: RatingsFormat, span: tuple[int, int] | None = None
    ) -> None:
        """`span`: where the rows lie that count, from the first byte to before the last; None for
        all rows. Raises StorageError.
        """
        with translate_errors(path), open(path, "rb") as file:
            # An empty file cannot be mapped.
            size = file.seek(0, 2)
            self.content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        self._signs = np.frombuffer(self.content, np.uint8)
        self._format = ratings_format
        self._bounds = self._line_bounds()[ratings_format.header_lines :]
        if span is not None:
            # The bound after the last row is where that ends.
            first, after = np.searchsorted(self._bounds, span).tolist()
            self._bounds = self._bounds[first : after + 1]
        if len(self) and not np.subtract(*self.spans(np.array([len(self) - 1]))).any():
            self._bounds = self._bounds[:-1]

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def spans(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each of `rows` begins and ends in `content`, its line end left out."""
        starts, ends = self._bounds[rows], self._bounds[rows + 1] - 1
        # An empty row has no last byte: the one before its end is another row's.
        return starts, ends - ((ends > starts) & (self._signs[ends - 1] == _CARRIAGE_RETURN))

    def plain_times(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Timestamp of every row, and whether it could be read: only digits, in the last of the
        right number of cells.
        """
        times, known = np.zeros(len(self), np.int64), np.zeros(len(self), bool)
        # The last cell alone is found without splitting the row.
        is_last = self._format.timestamp == self._format.n_columns - 1
        if self._format.is_json or not is_last:
            return times, known
        first = 0
        while first < len(self):
            window_end = self._bounds[first] + _WINDOW_BYTES
            whole_rows = int(np.searchsorted(self._bounds, window_end, side="right")) - 1
            last = min(max(whole_rows, first + 1), len(self))  # a longer row is a window of its own
            times[first:last], known[first:last] = self._times_in_window(np.arange(first, last))
            first = last
        return all_as_seconds(times), known

    def _times_in_window(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        starts, ends = self.spans(rows)
        base = int(starts[0])
        signs, starts, ends = self._signs[base : int(ends[-1])], starts - base, ends - base
        separators = np.flatnonzero(signs == ord(self._format.separator[-1]))
        first, after = np.searchsorted(separators, starts), np.searchsorted(separators, ends)
        # A row with separators in quotes has too many, and is left to the row parser.
        complete = after - first == len(self._format.separator) * (self._format.n_columns - 1)
        digits_from = separators[np.maximum(after - 1, 0)] + 1 if len(separators) else starts
        n_digits = np.where(complete, ends - digits_from, 0)
        known = (n_digits > 0) & (n_digits <= MAX_DIGITS)
        times = np.zeros(len(rows), np.int64)
        for place in range(int(n_digits[known].max(initial=0))):
            inside = known & (place < n_digits)
            digits = signs[np.where(inside, digits_from + place, 0)].astype(np.int64) - _ZERO
            known &= ~inside | ((digits >= 0) & (digits <= 9))
            times = np.where(inside, times * 10 + digits, times)
        return times, known

    def _line_bounds(self) -> NDArray[np.int64]:
        """Where each line begins; one entry more, as a line ends with its line end where the next
        begins.
        """
        size = len(self._signs)
        windows = [self._signs[at : at + _WINDOW_BYTES] for at in range(0, size, _WINDOW_BYTES)]
        n_ends = sum(int(np.count_nonzero(window == _LINE_END)) for window in windows)
        bounds = np.empty(n_ends + 2, np.int64)
        bounds[0], filled = self._format.mark_bytes, 1
        for number, window in enumerate(windows):
            ends = np.flatnonzero(window == _LINE_END)
            bounds[filled : filled + len(ends)] = ends + (number * _WINDOW_BYTES + 1)
            filled += len(ends)
        if bounds[filled - 1] < size:
            # The last line has no line end: one is assumed after it.
            bounds[filled], filled = size + 1, filled + 1
        return bounds[:filled]
