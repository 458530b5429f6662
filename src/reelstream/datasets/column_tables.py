"""Parquet and Arrow files, turned into the CSV that everything else here reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from reelstream.errors import DatasetError
from reelstream.files import translate_errors

_PARQUET, _ARROW = b"PAR1", b"ARROW1"


def is_table(head: bytes) -> bool:
    """Whether a file that begins with `head` is Parquet or Arrow."""
    return head.startswith((_PARQUET, _ARROW))


def write_as_csv(tables: Sequence[Path], target: Path) -> None:
    """Write the rows of tables with the same columns into one CSV file, with a header.

    Times become seconds since 1970, lists of names `a|b`. Raises StorageError, or DatasetError when
    they cannot be read.
    """
    with translate_errors(tables[0]), open(tables[0], "rb") as file:
        scan = pl.scan_parquet if file.read(len(_PARQUET)) == _PARQUET else pl.scan_ipc
    try:
        frame = scan(list(tables))
        columns = [_as_text(name, kind) for name, kind in frame.collect_schema().items()]
        # Lazily, into a file: a table may be larger than memory.
        frame.select(column for column in columns if column is not None).sink_csv(target)
    except pl.exceptions.PolarsError as error:
        reason = str(error).split("\n")[0]
        raise DatasetError(
            f"{tables[0]} cannot be read: {reason}; take the file from its source again"
        ) from error


def _as_text(name: str, kind: pl.DataType) -> pl.Expr | None:
    """The column as CSV can hold it; None where it cannot."""
    column = pl.col(name)
    if isinstance(kind, pl.Datetime | pl.Date):
        return column.dt.epoch("s")
    if isinstance(kind, pl.List | pl.Array):
        names = pl.element()
        # TMDB's genres are records of an id and a name.
        if isinstance(kind.inner, pl.Struct):
            if "name" not in [field.name for field in kind.inner.fields]:
                return None
            names = names.struct.field("name")
        in_list = column if isinstance(kind, pl.List) else column.arr.to_list()
        return in_list.list.eval(names.cast(pl.String)).list.join("|")
    return None if isinstance(kind, pl.Struct | pl.Binary | pl.Object) else column
