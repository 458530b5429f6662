"""Many rows of a ratings file at once, by polars: only what it reads as the row parser would."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reelstream.datasets.layouts import QUOTING_SEPARATORS, RatingsFormat
from reelstream.datasets.row_parser import FIXED_TIME
from reelstream.ratings.ids import NUMBERS, IdKind, Ids, NumberIds, TextIds
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.values import all_as_seconds

_WINDOW_BYTES = 1 << 18
# In a column of whole numbers; no row with it keeps the contract.
_NOT_READ = -1
_ID_TYPES: dict[IdKind, pl.DataType] = {"number": pl.Int64(), "text": pl.String()}
_ISO_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S")


class PlainColumns(NamedTuple):
    """n rows as arrays (n,), which may not be written to."""

    user_id: NDArray[np.int64]
    item_id: NDArray[np.int64]
    rating: NDArray[np.float64]
    timestamp: NDArray[np.int64]

    def copied(self) -> PlainColumns:
        """The same in arrays that may be written to."""
        return PlainColumns(
            self.user_id.copy(), self.item_id.copy(), self.rating.copy(), self.timestamp.copy()
        )


def read_plain_rows(
    content: bytes, n_rows: int, layout: RatingsFormat, ids: Ids = NUMBERS
) -> PlainColumns:
    """Every row; -1 or NaN for what polars cannot read."""
    whole = np.full(n_rows, _NOT_READ)
    nothing = PlainColumns(whole, whole, np.full(n_rows, np.nan), whole)
    # Lists of JSON have no columns, and a space may also stand around a cell.
    if layout.is_json or layout.separator == " ":
        return nothing
    try:
        table = _read(content, layout, pl.Int64(), ids)
        # Two rows become one where a quote is open at the end of the first.
        if len(table) != n_rows:
            return nothing
        # A second pass only where most times are no numbers: a few broken cells do not pay for it.
        if layout.timestamp is not None and table["timestamp"].null_count() > n_rows // 2:
            table = _with_iso_times(_read(content, layout, pl.String(), ids))
        if _may_hold_padded_numbers(content):
            table = _without_padded_numbers(table, content, layout, ids)
    except pl.exceptions.PolarsError:
        return nothing
    user_id, item_id = _numbers(table["user"], ids.user), _numbers(table["item"], ids.item)
    rating = table["rating"].fill_null(float("nan")).to_numpy()
    times = np.full(n_rows, FIXED_TIME)
    if layout.timestamp is not None:
        times = all_as_seconds(table["timestamp"].fill_null(_NOT_READ).to_numpy())
    return PlainColumns(user_id, item_id, rating, times)


def plain_rows_hold(read: PlainColumns, scale: RatingScale, latest: int) -> NDArray[np.bool_]:
    """Which rows (n,) were read and keep the contract; `latest` is the last time allowed."""
    user_id, item_id, rating, timestamp = read
    with np.errstate(invalid="ignore"):
        is_good = scale.holds(rating)
    return is_good & (user_id >= 0) & (item_id >= 0) & (timestamp >= 0) & (timestamp <= latest)


def _numbers(column: pl.Series, ids: NumberIds | TextIds) -> NDArray[np.int64]:
    if not isinstance(ids, TextIds):
        return column.fill_null(_NOT_READ).to_numpy()
    # Each text once: ids repeat.
    texts = column.drop_nulls().unique()
    numbers = pl.Series(ids.read_all(texts), dtype=pl.Int64)
    return column.replace_strict(
        texts, numbers, default=_NOT_READ, return_dtype=pl.Int64
    ).to_numpy()


def _read(content: bytes, layout: RatingsFormat, time: pl.DataType, ids: Ids) -> pl.DataFrame:
    """The columns user, item, rating and timestamp; null where a cell is of another kind."""
    # polars splits at single signs: between the two of `::` it finds an empty column.
    width = len(layout.separator)
    places: dict[int, tuple[str, pl.DataType]] = {
        layout.user: ("user", _ID_TYPES[ids.user.kind]),
        layout.item: ("item", _ID_TYPES[ids.item.kind]),
        layout.rating: ("rating", pl.Float64()),
    }
    if layout.timestamp is not None:
        places[layout.timestamp] = ("timestamp", time)
    schema: dict[str, pl.DataType] = {
        f"{n}": pl.String() for n in range((layout.n_columns - 1) * width + 1)
    }
    schema |= {f"{n * width}": kind for n, (_, kind) in places.items()}
    with warnings.catch_warnings():
        # It warns of quotes that stay open; the number of rows tells the same.
        warnings.simplefilter("ignore", UserWarning)
        table = pl.read_csv(
            content,
            has_header=False,
            separator=layout.separator[0],
            quote_char='"' if layout.separator in QUOTING_SEPARATORS else None,
            schema=schema,
            ignore_errors=True,
            decimal_comma=layout.has_decimal_commas and b"," in content,
        )
    wanted = table.select(pl.col(f"{n * width}").alias(name) for n, (name, _) in places.items())
    doubts = _doubts(content, layout, places)
    if not doubts:
        return wanted
    is_sure = table.select(pl.all_horizontal(doubts).alias("is_sure"))["is_sure"]
    return wanted.with_columns(pl.when(is_sure).then(pl.col("user")).alias("user"))


def _may_hold_padded_numbers(content: bytes) -> bool:
    """Whether a number in it begins with a zero and another digit."""
    signs = np.frombuffer(content, np.uint8)
    # At the very beginning nothing stands before it.
    if content[:1] == b"0" and content[1:2].isdigit():
        return True
    # Windows that stay in the processor's cache; each sees two signs of the next.
    return any(
        _has_padded(signs[first : first + _WINDOW_BYTES + 2])
        for first in range(0, len(signs), _WINDOW_BYTES)
    )


def _has_padded(signs: NDArray[np.uint8]) -> bool:
    before, at, after = signs[:-2], signs[1:-1], signs[2:]
    # Unsigned: what lies below the digits is large after the subtraction.
    is_padded = (at == ord("0")) & (after - ord("0") < 10)
    if not is_padded.any():
        return False
    return bool((is_padded & (before - ord("0") >= 10) & (before != ord("."))).any())


def _without_padded_numbers(
    table: pl.DataFrame, content: bytes, layout: RatingsFormat, ids: Ids
) -> pl.DataFrame:
    """The table without ids such as 007: read as numbers, they would lose their zeros."""
    texts = _read(content, layout, pl.String(), Ids.of_kinds("text", "text"))
    for name, kind in (("user", ids.user.kind), ("item", ids.item.kind)):
        if kind == "number":
            is_padded = texts[name].str.contains(r"^\s*[+-]?0[0-9]").fill_null(False)
            table = table.with_columns(pl.when(~is_padded).then(pl.col(name)).alias(name))
    return table


def _doubts(content: bytes, layout: RatingsFormat, places: Collection[int]) -> list[pl.Expr]:
    """What must hold for a row to have all its cells where polars found them; a row for which it
    does not is left to the row parser.
    """
    width, last = len(layout.separator), layout.n_columns - 1
    # `1:x:2` has as many colons as `1::2`.
    gaps = range(1, last * width, width) if width > 1 else ()
    doubts = [pl.col(f"{n}").fill_null("") == "" for n in gaps]
    if last in places:
        return doubts
    # polars takes a cell that is not there for an empty one.
    n_separators = content.count(layout.separator.encode())
    n_lines = content.count(b"\n") + (content[-1:] != b"\n")
    if n_separators != n_lines * last or b'"' in content:
        doubts.append(pl.col(f"{last * width}").is_not_null())
    return doubts


def _with_iso_times(table: pl.DataFrame) -> pl.DataFrame:
    text = pl.col("timestamp")
    times = [text.str.to_datetime(form, strict=False).dt.epoch("s") for form in _ISO_FORMATS]
    return table.with_columns(pl.coalesce(text.cast(pl.Int64, strict=False), *times))
