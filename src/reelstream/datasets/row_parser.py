"""One row of a ratings file: its rating, or the reason why it has none."""

from __future__ import annotations

import mmap
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Final, TypeAlias

import msgspec

from reelstream.datasets.layouts import RatingsFormat, decode_text, split_line
from reelstream.datasets.line_index import MAX_DIGITS
from reelstream.errors import RatingError
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS, Event, Rated, check
from reelstream.ratings.ids import NO_ID, Ids, NumberIds, TextIds
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.values import as_seconds, read_rating, read_time

# A longer row is cut: the log should not carry what cannot be a rating.
MAX_RAW_BYTES = 65_536

# When every rating is taken to be given in a file without times: the first second of 2000, UTC. The
# same for ever, so that a file is the same events whenever it is read.
FIXED_TIME: Final = 946_684_800

# Leading zeros are no part of a number: who has them has texts.
_PLAIN_NUMBER = rf"(0|[1-9][0-9]{{0,{MAX_DIGITS - 1}}})"

Rows: TypeAlias = mmap.mmap | bytes


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

    def __init__(self, ratings_format: RatingsFormat, scale: RatingScale, ids: Ids) -> None:
        self._format, self._scale, self._ids = ratings_format, scale, ids
        separator, timestamp = ratings_format.separator, ratings_format.timestamp
        wanted = [ratings_format.user, ratings_format.item, ratings_format.rating]
        wanted += [] if timestamp is None else [timestamp]
        columns = [rf'[^"{re.escape(separator[0])}\n]{{0,100}}'] * ratings_format.n_columns
        for column in wanted:
            columns[column] = f"([0-9]{{1,{MAX_DIGITS}}})"
        for column, kind in (
            (ratings_format.user, ids.user.kind),
            (ratings_format.item, ids.item.kind),
        ):
            # Of a text only ASCII, as other signs need decoding.
            text = rf'([^"{re.escape(separator[0])}\x00-\x1f\x7f-\xff]{{1,100}})'
            columns[column] = text if kind == "text" else _PLAIN_NUMBER
        columns[ratings_format.rating] = "([0-9.,]{1,8})"
        self._find_plain = re.compile(
            f"^{re.escape(separator).join(columns)}$", re.MULTILINE
        ).findall
        # A match has its groups in the order of the columns, `wanted` in the order of the roles.
        self._groups = tuple(sorted(wanted).index(column) for column in wanted)
        # Files write whole stars as `4` or as `4.0`.
        texts = {
            text: value
            for value in scale.values().tolist()
            for text in (f"{value:g}", f"{value:.1f}")
        }
        commas = {text.replace(".", ","): value for text, value in texts.items()}
        self._on_scale = texts | commas if ratings_format.has_decimal_commas else texts

    def parse(
        self, content: Rows, number: int, spans: Sequence[tuple[int, int]]
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
            checked_row(number, raw, self._read, now, self._scale)
            for number, raw in zip(numbers, raws, strict=True)
        )

    def time(self, raw: bytes) -> int | None:
        """The timestamp of a row, whatever else is wrong with it; None when it has none."""
        cells = split_line(decode_text(raw), self._format.separator)
        if len(cells) != self._format.n_columns or self._format.timestamp is None:
            return None
        try:
            return read_time(cells[self._format.timestamp])
        except RatingError:
            return None

    def _parse_plain(self, raws: Sequence[bytes], latest: int) -> Iterator[Rated] | None:
        """The ratings when every row is plain, on the scale and not after `latest`, which is all
        that `check` demands.
        """
        # Every line holds one match at most: as many matches as rows mean one in each.
        found = self._find_plain(b"\n".join(raws).decode("latin-1"))
        if len(found) != len(raws):
            return None
        cells = list(zip(*found, strict=True))
        user_ids, item_ids, texts, *times = (cells[group] for group in self._groups)
        on_scale = self._on_scale
        seconds = list(map(int, times[0])) if times else [FIXED_TIME] * len(raws)
        # What lies beyond may count milliseconds.
        if max(seconds) > latest:
            seconds = list(map(as_seconds, seconds))
        if not on_scale.keys() >= set(texts) or max(seconds) > latest:
            return None
        users, items = _numbers(user_ids, self._ids.user), _numbers(item_ids, self._ids.item)
        if users is None or items is None:
            return None
        return map(Rated, users, items, map(on_scale.__getitem__, texts), seconds)

    def _read(self, raw: bytes) -> Rated:
        if not raw.strip():
            raise RatingError("the row is empty")
        layout = self._format
        cells = split_line(decode_text(raw), layout.separator)
        if len(cells) != layout.n_columns:
            raise RatingError(f"the row has {len(cells)} columns instead of {layout.n_columns}")
        rating = read_rating(cells[layout.rating], decimal_comma=layout.has_decimal_commas)
        return Rated(
            self._ids.user.read(cells[layout.user]),
            self._ids.item.read(cells[layout.item]),
            rating,
            FIXED_TIME if layout.timestamp is None else read_time(cells[layout.timestamp]),
        )


def _numbers(cells: Sequence[str], ids: NumberIds | TextIds) -> Iterable[int] | None:
    """The numbers of plain ids; None when one of them is refused."""
    if not isinstance(ids, TextIds):
        return map(int, cells)
    numbers = ids.read_all(cells).tolist()
    return None if NO_ID in numbers else numbers


def checked_row(
    number: int, raw: bytes, read: Callable[[bytes], Event], now: int, scale: RatingScale
) -> CsvRow:
    """The row that `read` makes of `raw`, held against the contract; nothing in it raises."""
    if len(raw) > MAX_RAW_BYTES:
        reason = f"the row is {len(raw)} bytes long, and cut to {MAX_RAW_BYTES}"
        return CsvRow(number, None, raw[:MAX_RAW_BYTES], reason)
    event = None
    try:
        event = read(raw)
        check(event, now, scale)
    except RatingError as error:
        return CsvRow(number, None, raw, str(error), event.user_id if event else None)
    return CsvRow(number, event, raw, None)
