"""The rows of a file with one JSON object a line."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import msgspec

from reelstream.datasets.layouts import RatingsFormat
from reelstream.datasets.row_parser import FIXED_TIME, CsvRow, Rows, checked_row
from reelstream.errors import RatingError
from reelstream.ratings.events import Deleted, Event, Rated
from reelstream.ratings.ids import Ids
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.values import read_rating, read_time

_decoder = msgspec.json.Decoder(dict[str, object])


class JsonRowParser:
    """Turns lines of JSON into ratings; a rating of null deletes, as in a message."""

    def __init__(self, ratings_format: RatingsFormat, scale: RatingScale, ids: Ids) -> None:
        self._scale, self._ids = scale, ids
        self._keys = ratings_format.column_names()

    def parse(
        self, content: Rows, number: int, spans: Sequence[tuple[int, int]]
    ) -> Iterator[CsvRow]:
        """The rows of `content` in `spans` (where each begins and ends), numbered from `number`."""
        now = int(time.time())
        for place, (start, end) in enumerate(spans, number):
            yield checked_row(place, content[start:end], self._read, now, self._scale)

    def _read(self, raw: bytes) -> Event:
        try:
            row = _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RatingError(f"the row is not JSON: {error}") from error
        user, item = (self._value(row, role) for role in ("user", "item"))
        user_id, item_id = self._ids.user.read(user), self._ids.item.read(item)
        timestamp = FIXED_TIME
        if self._keys["timestamp"] is not None:
            timestamp = read_time(self._value(row, "timestamp"))
        # Only a null that is there: a missing rating is an error of the row, raised below.
        if row.get(self._keys["rating"] or "", "") is None:
            return Deleted(user_id, item_id, timestamp)
        return Rated(user_id, item_id, read_rating(self._value(row, "rating")), timestamp)

    def _value(self, row: dict[str, object], role: str) -> str | float:
        """Raises RatingError when the row has no text or number there."""
        key = self._keys[role] or ""
        value = row.get(key)
        # In Python, True is an int.
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return value
        raise RatingError(
            f"{key} is missing" if value is None else f"{key} {value!r:.40} is no value"
        )

    def time(self, raw: bytes) -> int | None:
        """The timestamp of a row, whatever else is wrong with it; None when it has none."""
        try:
            return read_time(self._value(_decoder.decode(raw), "timestamp"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RatingError):
            return None
