"""One row of a ratings file: its rating, or the reason why it has none."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Iterator, Sequence

import msgspec

from reelstream.datasets.layouts import RatingsFormat, split_line
from reelstream.datasets.line_index import MOST_DIGITS
from reelstream.errors import RatingError
from reelstream.ratings import SECONDS_A_DAY, Rating, RatingScale, check

LARGEST_RAW_BYTES = 65_536
"""A longer row is cut: the log should not carry what cannot be a rating."""

# More digits than any int64 has, so that a number too large is refused for its size, not for its looks.
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class CsvRow(msgspec.Struct, frozen=True, gc=False):
    """One row of a ratings file."""

    number: int
    """0, 1, 2, ... in the order of sending; the header is not counted."""
    rating: Rating | None
    """None for a row that breaks the contract."""
    raw: bytes
    """The row as it stands in the file, without its line end; cut to 64 KiB."""
    reason: str | None
    """Why there is no rating."""


class RowParser:
    """Turns rows of bytes into ratings: plain ones in one step, the rest cell by cell; nothing in a row raises."""

    def __init__(self, ratings_format: RatingsFormat, scale: RatingScale) -> None:
        self._format, self._scale = ratings_format, scale
        columns = [b'[^",]*'] * ratings_format.n_columns
        for column in (ratings_format.user, ratings_format.item, ratings_format.timestamp):
            columns[column] = b"([0-9]{1,%d})" % MOST_DIGITS
        columns[ratings_format.rating] = b"([0-9.]{1,8})"
        self._plain = re.compile(ratings_format.separator.encode().join(columns)).fullmatch
        wanted = (ratings_format.user, ratings_format.item, ratings_format.rating, ratings_format.timestamp)
        self._groups = tuple(sorted(wanted).index(column) + 1 for column in wanted)
        self._on_scale: dict[bytes, float] = {}

    def parse(
        self, content: mmap.mmap | bytes, number: int, starts: Sequence[int], ends: Sequence[int]
    ) -> Iterator[CsvRow]:
        """The rows of `content` from each of `starts` up to its end, numbered from `number`.

        A row's time is held against the clock of this moment, as the log will when the row is sent now.
        """
        plain, groups, on_scale = self._plain, self._groups, self._on_scale
        now = int(time.time())
        latest = now + SECONDS_A_DAY
        for number_, start, end in zip(range(number, number + len(starts)), starts, ends, strict=True):
            length = end - start
            raw = content[start:end] if length <= LARGEST_RAW_BYTES else content[start : start + LARGEST_RAW_BYTES]
            if match := plain(raw):
                user_id, item_id, text, timestamp = match.group(*groups)
                # A row that is plain, on the scale and not ahead of its time has passed all that `check` asks.
                if text in on_scale and (seconds := int(timestamp)) <= latest:
                    yield CsvRow(number_, Rating(int(user_id), int(item_id), on_scale[text], seconds), raw, None)
                    continue
            yield self._parse_carefully(number_, raw, length, now)

    def _parse_carefully(self, number: int, raw: bytes, length: int, now: int) -> CsvRow:
        if length > LARGEST_RAW_BYTES:
            return CsvRow(number, None, raw, f"the row is {length} bytes long, and cut to {LARGEST_RAW_BYTES}")
        try:
            rating = self._read(raw)
            check(rating, now, self._scale)
        except RatingError as error:
            return CsvRow(number, None, raw, str(error))
        return CsvRow(number, rating, raw, None)

    def _read(self, raw: bytes) -> Rating:
        if not raw.strip():
            raise RatingError("the row is empty")
        try:
            cells = split_line(raw.decode(), self._format.separator)
        except UnicodeDecodeError as error:
            raise RatingError(f"the row is not UTF-8: {error.reason} at byte {error.start}") from error
        if len(cells) != self._format.n_columns:
            raise RatingError(f"the row has {len(cells)} columns instead of {self._format.n_columns}")
        text = cells[self._format.rating].strip()
        if not _DECIMAL.fullmatch(text):
            raise RatingError(f"rating {text[:40]!r} is not a number")
        rating = float(text)
        if self._scale.holds(rating):
            self._on_scale[text.encode()] = rating
        user_id = _whole("userId", cells[self._format.user])
        item_id = _whole("movieId", cells[self._format.item])
        return Rating(user_id, item_id, rating, _whole("timestamp", cells[self._format.timestamp]))


def readable_time(raw: bytes, ratings_format: RatingsFormat) -> int | None:
    """The timestamp of a row, whatever else is wrong with it; None when it has none."""
    cells = split_line(raw.decode("latin-1"), ratings_format.separator)
    if len(cells) != ratings_format.n_columns:
        return None
    text = cells[ratings_format.timestamp].strip()
    return int(text) if _WHOLE.fullmatch(text) and 0 <= int(text) < 10**MOST_DIGITS else None


def _whole(name: str, text: str) -> int:
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise RatingError(f"{name} {text[:40]!r} is not a whole number")
    return int(text)
