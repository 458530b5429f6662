"""What counts as an id, a rating or a time, wherever it comes from: a file's cell or a JSON value.

Programs write the same value in several ways: pandas makes `862.0` of a column of ids with a gap,
JavaScript counts milliseconds, exports of databases hold ISO 8601 times.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reelstream.errors import RatingError

# A time from here on counts milliseconds: as seconds it would lie after the year 5138, while as
# milliseconds it lies in 1973.
MIN_MILLISECONDS: Final = 10**11

# More digits than any int64 has, so that a number too large is refused for its size, not for its
# looks.
_WHOLE = re.compile(r"([+-]?[0-9]{1,40})(?:\.0*)?")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_SECONDS = re.compile(r"([+-]?[0-9]{1,40})(?:[.,][0-9]*)?")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,][0-9]*)?)?"
    r" ?(Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_START = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def read_id(name: str, value: str | float) -> int:
    """The id that `value` stands for; `name` is its field's. Raises RatingError.

    >>> read_id("movieId", "862"), read_id("movieId", " 862.0"), read_id("movieId", 862.0)
    (862, 862, 862)
    """
    if isinstance(value, str):
        match = _WHOLE.fullmatch(value.strip())
        if match and _LEADING_ZERO.match(match[1]):
            raise RatingError(f"{name} {_shown(value)} has leading zeros: it is a text, no number")
        if match:
            return int(match[1])
    elif isinstance(value, int) or value.is_integer():
        return int(value)
    raise RatingError(f"{name} {_shown(value)} is not a whole number")


def read_rating(value: str | float, *, decimal_comma: bool = False) -> float:
    """The rating that `value` stands for, on whatever scale. Raises RatingError.

    Text such as `nan`, `inf` or `null` is no number. With `decimal_comma`, `3,5` is 3.5.
    """
    if not isinstance(value, str):
        return float(value)
    text = value.strip()
    if decimal_comma:
        text = text.replace(",", ".")
    if not _DECIMAL.fullmatch(text):
        raise RatingError(f"rating {_shown(value)} is not a number")
    return float(text)


def read_time(value: str | float) -> int:
    """Seconds since 1970, UTC, from seconds, milliseconds or an ISO 8601 time; fractions are cut.

    A time without a zone is UTC. Raises RatingError.

    >>> read_time("964982703.9"), read_time(964982703000), read_time("2000-07-30T20:45:03+02:00")
    (964982703, 964982703, 964982703)
    """
    if not isinstance(value, str):
        if not math.isfinite(value):
            raise RatingError(f"timestamp {_shown(value)} is not a time")
        return as_seconds(int(value // 1))
    text = value.strip()
    if match := _SECONDS.fullmatch(text):
        return as_seconds(int(match[1]))
    if match := _ISO.fullmatch(text):
        return _iso_seconds(match[1], match[2] or "00:00", match[3] or "Z", value)
    raise RatingError(
        f"timestamp {_shown(value)} is not a whole number of seconds, nor an ISO 8601 time"
    )


def as_seconds(time: int) -> int:
    """Seconds from a time that may count milliseconds."""
    return time // 1000 if time >= MIN_MILLISECONDS else time


def all_as_seconds(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Seconds from times (n,), any of which may count milliseconds."""
    in_milliseconds = times >= MIN_MILLISECONDS
    return np.where(in_milliseconds, times // 1000, times) if in_milliseconds.any() else times


def _iso_seconds(date: str, clock: str, zone: str, value: str) -> int:
    try:
        time = datetime.fromisoformat(f"{date}T{clock}{'Z' if zone == 'UTC' else zone}")
        return (time - _START) // _SECOND
    except (ValueError, OverflowError) as error:
        raise RatingError(f"timestamp {_shown(value)} is not a time: {error}") from error


def _shown(value: str | float) -> str:
    return repr(value.strip()[:40]) if isinstance(value, str) else f"{value:g}"
