"""What the headers of a record, as a dict, say about the row that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

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
