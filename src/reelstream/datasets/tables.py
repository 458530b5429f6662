"""Ratings and films as a program holds them: a polars or pandas DataFrame, or a dict of arrays.

Columns are read one at a time as numpy arrays, so that none of these libraries is imported here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Catalog, Film
from reelstream.datasets.films import split_genres, split_title
from reelstream.datasets.headers import COLUMN_NAMES, RATING_ROLES, plain_name
from reelstream.datasets.scales import FIVE_WHOLE_STARS, TEN_WHOLE_STARS
from reelstream.errors import InputError, RatingError
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS
from reelstream.ratings.ids import NUMBERS, IdKind, Ids, NumberIds, TextIds
from reelstream.ratings.scale import RatingScale

_PLAIN_NUMBER = re.compile(r"\s*(0|[1-9][0-9]*)(\.0*)?\s*")
_RATING_COLUMNS = {role: COLUMN_NAMES[role] for role in RATING_ROLES}


class DataFrame(Protocol):
    """What polars and pandas have in common."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""

    def __getitem__(self, name: str, /) -> Any: ...


Table: TypeAlias = DataFrame | Mapping[str, Any]


def ids_of(table: Table) -> Ids:
    """Ids of the kinds that a table of ratings has: texts where some are no whole numbers, or have
    leading zeros.
    """
    found = _columns(table, _RATING_COLUMNS)
    return Ids.of_kinds(*(_kind_of(name, found.get(name, ())) for name in ("user", "item")))


def ratings_in(table: Table, ids: Ids = NUMBERS) -> EventColumns:
    """The ratings of a table, in its order; without a column of times, all have the time 0.

    Raises InputError when a column is missing, RatingError when a value is no id, rating or time.
    """
    found = _columns(table, _RATING_COLUMNS)
    if missing := [name for name in ("user", "item", "rating") if name not in found]:
        accepted = " or ".join(repr(name) for name in ("userId", "user"))
        raise InputError(
            f"the ratings have no column for {' and '.join(missing)}: they need columns named"
            f" {accepted}, 'movieId' or 'item', 'rating', and, if their times count, 'timestamp';"
            f" found {', '.join(map(repr, _names(table))) or 'none'}"
        )
    columns = {name: _array(name, values) for name, values in found.items()}
    given = {"user": ids.user, "item": ids.item}
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise InputError(f"the columns of the ratings differ in length: {lengths}")
    user_id, item_id = (
        ids_in(name, columns[name], of_role, keeps=True) for name, of_role in given.items()
    )
    rating = _numbers("rating", columns["rating"])
    times = _past_times(columns["timestamp"]) if "timestamp" in columns else np.zeros(len(rating))
    return EventColumns.of(user_id, item_id, rating, times)


def has_times(table: Table) -> bool:
    """Whether a table of ratings has a column of times."""
    return "timestamp" in _columns(table, _RATING_COLUMNS)


def films_in(table: Table, ids: NumberIds | TextIds = NUMBERS.item) -> Catalog:
    """The films of a table with the columns `movieId` or `item` and, if it has them, `title`,
    `genres` and `year`.

    Titles and genres may be MovieLens's: `Toy Story (1995)` and `Comedy|Drama`. Raises InputError.
    """
    accepted = {name: (name,) for name in ("title", "genres", "year")}
    found = _columns(table, {"item": COLUMN_NAMES["item"], **accepted})
    if "item" not in found:
        raise InputError(
            "the films have no column 'movieId' or 'item'; found"
            f" {', '.join(map(repr, _names(table))) or 'none'}"
        )
    item_ids = ids_in("item", found["item"], ids, keeps=True)
    nothing = [None] * len(item_ids)
    others = [list(found.get(name, nothing)) for name in accepted]
    if any(len(column) != len(item_ids) for column in others):
        raise InputError("the columns of the films differ in length")
    texts = ids.texts_of(item_ids) if isinstance(ids, TextIds) else nothing
    return Catalog(map(_film, item_ids.tolist(), *others, texts))


def scale_of(ratings: NDArray[np.float32]) -> RatingScale:
    """The first of the scales 1 to 5, 0.5 to 5 in halves, and 1 to 10 that holds all ratings.

    Raises InputError when none does.
    """
    if not len(ratings):
        raise InputError("there are no ratings")
    exact = ratings.astype(np.float64)
    # In this order: ratings without a half are on the first, unless some are above 5.
    for scale in (FIVE_WHOLE_STARS, RatingScale(), TEN_WHOLE_STARS):
        if scale.holds(exact).all():
            return scale
    raise InputError(
        f"the ratings, from {exact.min():g} to {exact.max():g}, are on no scale that is known (1 to"
        " 5, 0.5 to 5 in halves, 1 to 10): pass scale=RatingScale(lowest, highest, step,"
        " like_threshold)"
    )


def check_scale(scale: RatingScale) -> None:
    """Raises InputError when no ratings can be on the scale, or none or all of them are likes."""
    if not scale.step > 0 or not scale.lowest < scale.like_threshold <= scale.highest:
        raise InputError(
            f"{scale} is no scale: the step must be above 0, and the like threshold above the"
            " lowest rating and no higher than the highest"
        )


def check_on_scale(ratings: EventColumns, scale: RatingScale) -> None:
    """Raises RatingError that names the first rating which is not on the scale."""
    off = np.flatnonzero(~scale.holds(ratings.rating.astype(np.float64)))
    if len(off):
        raise RatingError(
            f"rating {ratings.rating[off[0]]:g} in row {off[0]} is not on the scale"
            f" {scale.lowest:g} to {scale.highest:g} in steps of {scale.step:g}"
        )


def ids_in(
    name: str, values: Any, ids: NumberIds | TextIds = NUMBERS.item, *, keeps: bool = False
) -> NDArray[np.int64]:
    """Ids (n,) of users or items, which `keeps` stores. Raises RatingError."""
    array = _array(name, values)
    if isinstance(ids, TextIds):
        return _numbers_of_texts(name, array, ids.read if keeps else ids.look_up)
    if array.dtype.kind == "U" and (
        padded := [text for text in array.tolist() if _is_padded(text)]
    ):
        raise RatingError(f"{name} {padded[0]!r} has leading zeros: it is a text, no number")
    numbers = array if array.dtype.kind in "iu" else _numbers(name, array)
    # 2.0**63 is the first float, and the first unsigned number, that an int64 does not hold.
    bad = np.flatnonzero((numbers < 0) | (numbers >= 2.0**63) | (numbers % 1 != 0))
    if len(bad):
        raise RatingError(
            f"{name} {numbers[bad[0]]} in row {bad[0]} is not a whole number between 0 and 2^63 - 1"
        )
    return numbers.astype(np.int64)


def _kind_of(name: str, values: Any) -> IdKind:
    array = _array(name, values)
    if array.dtype.kind in "iufb":
        return "number"
    return "number" if all(map(_PLAIN_NUMBER.fullmatch, map(str, array.tolist()))) else "text"


def _is_padded(text: str) -> bool:
    return len(text) > 1 and text[0] == "0" and text[1].isdecimal()


def _numbers_of_texts(
    name: str, array: NDArray[Any], read: Callable[[str | float], int]
) -> NDArray[np.int64]:
    numbers = []
    for row, value in enumerate(array.tolist()):
        # In Python, True is an int.
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise RatingError(f"{name} {value} in row {row} is neither a text nor a whole number")
        try:
            numbers.append(read(value))
        except RatingError as error:
            raise RatingError(f"row {row}: {error}") from error
    return np.array(numbers, np.int64)


def seconds_in(name: str, values: Any) -> NDArray[np.int64]:
    """Times (n,) in seconds since 1970, from such numbers or from datetimes. Raises RatingError."""
    array = _array(name, values)
    if array.dtype.kind == "M":
        array = array.astype("datetime64[s]").astype(np.int64)
    seconds = array if array.dtype.kind in "iu" else _numbers(name, array)
    # A missing datetime (NaT) is the lowest int64 here.
    bad = np.flatnonzero((seconds < 0) | (seconds >= 2.0**63))
    if len(bad):
        raise RatingError(f"{name} {seconds[bad[0]]} in row {bad[0]} is before 1970, or no time")
    return seconds.astype(np.int64)


def _past_times(values: Any) -> NDArray[np.int64]:
    seconds = seconds_in("timestamp", values)
    late = np.flatnonzero(seconds > time.time() + MAX_CLOCK_LEAD_SECONDS)
    if len(late):  # milliseconds, most likely
        raise RatingError(
            f"timestamp {seconds[late[0]]} in row {late[0]} is in the future: give seconds since"
            " 1970, UTC, or datetimes"
        )
    return seconds


def _numbers(name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise RatingError(f"the column for {name} holds more than numbers: {error}") from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise RatingError(f"the {name} in row {bad[0]} is missing or infinite")
    return numbers


def _array(name: str, values: Any) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype == object:  # pandas' nullable integers: as floats, large ids would be rounded
        array = np.asarray(array.tolist())
    if array.ndim != 1:
        raise InputError(f"the column for {name} has {array.ndim} dimensions instead of one")
    return array


def _columns(table: Table, accepted: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """What the table holds of each column that is meant, under the name used here."""
    named = {plain_name(name): name for name in _names(table)}
    return {
        column: table[next(named[name] for name in names if name in named)]
        for column, names in accepted.items()
        if any(name in named for name in names)
    }


def _names(table: Table) -> list[str]:
    names: Any = table if isinstance(table, Mapping) else table.columns
    return [str(name) for name in names]


def _film(item_id: int, title: Any, genres: Any, year: Any, text_id: str | None) -> Film:
    name, year_in_title = split_title(title) if isinstance(title, str) else ("", None)
    if isinstance(genres, str):
        kinds = split_genres(genres)
    else:
        kinds = tuple(map(str, genres)) if isinstance(genres, Iterable) else ()
    is_known = isinstance(year, (int, float, np.number)) and np.isfinite(year)
    return Film(item_id, name, int(year) if is_known else year_in_title, kinds, text_id=text_id)
