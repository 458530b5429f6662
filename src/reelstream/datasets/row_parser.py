"""One row of a ratings file: its rating, or the reason why it has none."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Iterator, Sequence
from itertools import repeat

import msgspec

from reelstream.datasets.layouts import RatingsFormat, split_line
from reelstream.datasets.line_index import MAX_DIGITS
from reelstream.errors import RatingError
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS, Event, Rated, check
from reelstream.ratings.scale import RatingScale

MAX_RAW_BYTES = 65_536
"""A longer row is cut: the log should not carry what cannot be a rating."""

# More digits than any int64 has, so that a number too large is refused for its size, not for its
# looks.
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


class CsvRow(msgspec.Struct, frozen=True, gc=False):
    """One row of a ratings file."""

    number: int
    """0, 1, 2, ... in the order of sending; the header is not counted."""
    event: Event | None
    """None for a row that breaks the contract."""
    raw: bytes
    """The row as it stands in the file, without its line end; cut to 64 KiB."""
    reason: str | None
    """Why there is no event."""
    user_id: int | None = None
    """Whose row it is, where it is no event but could be read: one that is ahead of its time is
    none only today."""


class RowParser:
    """Turns rows of bytes into ratings: many plain ones at once, others cell by cell; nothing in a
    row raises.
    """

    def __init__(self, ratings_format: RatingsFormat, scale: RatingScale) -> None:
        self._format, self._scale = ratings_format, scale
        columns = [r'[^",\n]{0,100}'] * ratings_format.n_columns
        for column in (ratings_format.user, ratings_format.item, ratings_format.timestamp):
            columns[column] = f"([0-9]{{1,{MAX_DIGITS}}})"
        columns[ratings_format.rating] = "([0-9.]{1,8})"
        self._find_plain = re.compile(
            f"^{ratings_format.separator.join(columns)}$", re.MULTILINE
        ).findall
        wanted = (
            ratings_format.user,
            ratings_format.item,
            ratings_format.rating,
            ratings_format.timestamp,
        )
        self._groups = tuple(sorted(wanted).index(column) for column in wanted)
        self._on_scale = {
            text: value
            for value in scale.values().tolist()
            for text in (f"{value:g}", f"{value:.1f}")
        }

    def parse(
        self, content: mmap.mmap | bytes, number: int, spans: Sequence[tuple[int, int]]
    ) -> Iterator[CsvRow]:
        """The rows of `content` in `spans` (where each begins and ends), numbered from `number`.

        A row's time is compared with the present clock, as the log will when the row is sent
        now.
        """
        now = int(time.time())
        raws = [content[start:end] for start, end in spans]
        numbers = range(number, number + len(raws))
        ratings = self._parse_plain(raws, now + MAX_CLOCK_LEAD_SECONDS)
        if ratings is not None:
            return map(CsvRow, numbers, ratings, raws, repeat(None))
        return (
            self._parse_carefully(number, raw, now)
            for number, raw in zip(numbers, raws, strict=True)
        )

    def _parse_plain(self, raws: Sequence[bytes], latest: int) -> Iterator[Rated] | None:
        """The ratings when every row is plain, on the scale and not after `latest`, which is all
        that `check` demands.
        """
        # Every line holds one match at most: as many matches as rows mean one in each.
        found = self._find_plain(b"\n".join(raws).decode("latin-1"))
        if len(found) != len(raws):
            return None
        cells = list(zip(*found, strict=True))
        user_ids, item_ids, texts, times = (cells[group] for group in self._groups)
        on_scale, seconds = self._on_scale, list(map(int, times))
        if not on_scale.keys() >= set(texts) or max(seconds) > latest:
            return None
        ratings = map(on_scale.__getitem__, texts)
        return map(Rated, map(int, user_ids), map(int, item_ids), ratings, seconds)

    def _parse_carefully(self, number: int, raw: bytes, now: int) -> CsvRow:
        if len(raw) > MAX_RAW_BYTES:
            reason = f"the row is {len(raw)} bytes long, and cut to {MAX_RAW_BYTES}"
            return CsvRow(number, None, raw[:MAX_RAW_BYTES], reason)
        rating = None
        try:
            rating = self._read(raw)
            check(rating, now, self._scale)
        except RatingError as error:
            return CsvRow(number, None, raw, str(error), rating.user_id if rating else None)
        return CsvRow(number, rating, raw, None)

    def _read(self, raw: bytes) -> Rated:
        if not raw.strip():
            raise RatingError("the row is empty")
        try:
            cells = split_line(raw.decode(), self._format.separator)
        except UnicodeDecodeError as error:
            raise RatingError(
                f"the row is not UTF-8: {error.reason} at byte {error.start}"
            ) from error
        if len(cells) != self._format.n_columns:
            raise RatingError(
                f"the row has {len(cells)} columns instead of {self._format.n_columns}"
            )
        text = cells[self._format.rating].strip()
        if not _DECIMAL.fullmatch(text):
            raise RatingError(f"rating {text[:40]!r} is not a number")
        user_id = _whole("userId", cells[self._format.user])
        item_id = _whole("movieId", cells[self._format.item])
        return Rated(
            user_id, item_id, float(text), _whole("timestamp", cells[self._format.timestamp])
        )


def readable_time(raw: bytes, ratings_format: RatingsFormat) -> int | None:
    """The timestamp of a row, whatever else is wrong with it; None when it has none."""
    cells = split_line(raw.decode("latin-1"), ratings_format.separator)
    if len(cells) != ratings_format.n_columns:
        return None
    text = cells[ratings_format.timestamp].strip()
    return int(text) if _WHOLE.fullmatch(text) and 0 <= int(text) < 10**MAX_DIGITS else None


def _whole(name: str, text: str) -> int:
    text = text.strip()
    if not _WHOLE.fullmatch(text):
        raise RatingError(f"{name} {text[:40]!r} is not a whole number")
    return int(text)
