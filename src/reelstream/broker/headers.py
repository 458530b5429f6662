"""What the headers of a record, as a dict, say about the row that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.broker.interface import Headers

# `SOURCE/PARTITIONS/NUMBER`: all in one header, as each costs as much to read as the rating itself.
#
# SOURCE is which file in which order: the beginning of its content hash, a colon, the order.
# PARTITIONS is how many the source began with: its users stay where they are when the topic gets
# more. NUMBER is the row's in that order, and rises within a partition.
ROW = "row"
# `text/csv` for a row that breaks the contract and is sent as its raw bytes. Absent for a rating.
CONTENT_TYPE = "content-type"
# Why such a row is no rating.
REASON = "reason"
CSV = b"text/csv"

# So many always fit an int64.
_MAX_DIGITS = 18


class SourceRow(NamedTuple):
    """The row of a source."""

    source: str
    partitions: int
    row: int


def row_prefix(source: str, partitions: int) -> bytes:
    """What the value of the header `ROW` begins with; the row's number follows in decimal
    digits.
    """
    return b"%s/%d/" % (source.encode(), partitions)


def source_row(headers: Mapping[str, bytes | None]) -> SourceRow | None:
    """The row that a record came from; None when its headers name none."""
    source, *numbers = (headers.get(ROW) or b"").rsplit(b"/", 2)
    if len(numbers) != 2 or not all(
        number.isdigit() and len(number) <= _MAX_DIGITS for number in numbers
    ):
        return None
    partitions, row = map(int, numbers)
    return SourceRow(source.decode(errors="replace"), partitions, row) if partitions else None


def rows_of_one_source(headers: Sequence[Headers]) -> tuple[str, NDArray[np.int64]] | None:
    """Source and rows, (n,), of n records, if all are ratings of one source as its producer marks
    them; None otherwise.

    What it takes at once is what `source_row` takes one by one.
    """
    n = len(headers)
    if set(map(len, headers)) != {1} or [each[0][0] for each in headers].count(ROW) < n:
        return None
    first = source_row(dict(headers[0]))
    values: list[Any] = [each[0][1] for each in headers]
    if first is None or None in values:
        return None
    prefix = row_prefix(first.source, first.partitions)
    lines = b"\n".join(values)
    # Nothing but numbers is left when every line loses the prefix, which holds no line break
    # itself.
    numbers = lines.removeprefix(prefix).replace(b"\n" + prefix, b",")
    if (
        lines.count(b"\n") != n - 1
        or b",," in b",%s," % numbers
        or not numbers.replace(b",", b"").isdigit()
    ):
        return None
    if numbers.count(b",") != n - 1 or max(map(len, values)) > len(prefix) + _MAX_DIGITS:
        return None
    return first.source, np.fromstring(numbers, np.int64, sep=",")


def broken_row_headers(reason: str) -> Sequence[tuple[str, bytes]]:
    """What marks a raw row that breaks the contract."""
    return (CONTENT_TYPE, CSV), (REASON, reason.encode())


def broken_row_reason(headers: Mapping[str, bytes | None]) -> str | None:
    """Why a record is a raw row that breaks the contract; None when it should be a rating."""
    if headers.get(CONTENT_TYPE) != CSV:
        return None
    return (headers.get(REASON) or b"the row is not a rating").decode(errors="replace")
