"""What the headers of a record, as a dict, say about the row that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.broker.interface import Headers

SOURCE = "source"
"""Which file in which order: the beginning of its content hash, a colon, the order."""
ROW = "row"
"""The row's number in that order, in decimal digits; it rises within a partition."""
PARTITIONS = "partitions"
"""How many partitions the source began with: its users stay where they are when the topic gets more."""
CONTENT_TYPE = "content-type"
"""`text/csv` for a row that breaks the contract and is sent as its raw bytes. Absent for a rating."""
REASON = "reason"
"""Why such a row is no rating."""
CSV = b"text/csv"

_MOST_DIGITS = 18


class SourceRow(NamedTuple):
    """The row of a source."""

    source: str
    row: int


def source_row(headers: Mapping[str, bytes | None]) -> SourceRow | None:
    """The row that a record came from; None when its headers name none."""
    source, row = headers.get(SOURCE), headers.get(ROW)
    if source is None or row is None or not row.isdigit() or len(row) > _MOST_DIGITS:
        return None
    return SourceRow(source.decode(errors="replace"), int(row))


class SourceRows(NamedTuple):
    """Rows of one source, of as many records."""

    source: str
    rows: NDArray[np.int64]
    """(n,)"""


def rows_of_one_source(headers: Sequence[Headers]) -> SourceRows | None:
    """The rows that n records came from, if all are ratings of one source, as its producer marks them; None otherwise.

    What it takes in columns is what `source_row` takes one by one.
    """
    n = len(headers)
    if not n or [name for name, _ in headers[0]] != [SOURCE, ROW, PARTITIONS] or set(map(len, headers)) != {3}:
        return None
    if [each[0] for each in headers].count(headers[0][0]) < n or [each[2] for each in headers].count(headers[0][2]) < n:
        return None
    source, numbers = headers[0][0][1], [each[1][1] for each in headers if each[1][0] == ROW]
    if len(numbers) < n or source is None or None in numbers:
        return None
    rows = [number or b"" for number in numbers]
    if b"" in rows or not b"".join(rows).isdigit() or max(map(len, rows)) > _MOST_DIGITS:
        return None
    return SourceRows(source.decode(errors="replace"), np.fromstring(b",".join(rows), np.int64, sep=","))


def source_partitions(headers: Mapping[str, bytes | None]) -> int | None:
    """The number of partitions that the record's source began with; None when its headers do not say."""
    count = headers.get(PARTITIONS) or b""
    return int(count) if count.isdigit() and len(count) <= _MOST_DIGITS and int(count) > 0 else None


def broken_row_headers(reason: str) -> Sequence[tuple[str, bytes]]:
    """What marks a raw row that breaks the contract."""
    return (CONTENT_TYPE, CSV), (REASON, reason.encode())


def broken_row_reason(headers: Mapping[str, bytes | None]) -> str | None:
    """Why a record is a raw row that breaks the contract; None when it should be a rating."""
    if headers.get(CONTENT_TYPE) != CSV:
        return None
    return (headers.get(REASON) or b"the row is not a rating").decode(errors="replace")
