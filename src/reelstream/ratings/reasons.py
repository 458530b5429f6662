"""Why rows are rejected: what reasons have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

Row = TypeVar("Row")

# A text in quotes too: of a thousand broken ids each would be a reason of its own.
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


# Millions of rows may have a few reasons.
@lru_cache(maxsize=10_000)
def kind_of(reason: str) -> str:
    """The reason without its values: rows of one kind are counted together.

    >>> kind_of("userId 'x' is not a whole number") == kind_of("userId 'y' is not a whole number")
    True
    """
    return _VALUE.sub("…", reason)


@dataclass(slots=True)
class ReasonCount(Generic[Row]):
    """Rows that are rejected for one kind of reason."""

    kind: str
    """See `kind_of`."""
    reason: str
    """Of the first of them."""
    first: Row
    rows: int = 0


class ReasonCounts(Generic[Row]):
    """Rejected rows, counted by the kinds of their reasons.

    >>> counts = ReasonCounts[int]()
    >>> for line, reason in enumerate(["rating 7 is high", "no item", "rating 8 is high"]):
    ...     counts.add(reason, line)
    >>> [(each.reason, each.rows, each.first) for each in counts.commonest()]
    [('rating 7 is high', 2, 0), ('no item', 1, 1)]
    """

    def __init__(self) -> None:
        self._counts: dict[str, ReasonCount[Row]] = {}

    def add(self, reason: str, row: Row) -> None:
        """Count one more row."""
        kind = kind_of(reason)
        known = self._counts.setdefault(kind, ReasonCount(kind, reason, row))
        known.rows += 1

    def commonest(self) -> list[ReasonCount[Row]]:
        """The commonest first; of equally many the one that came first."""
        return sorted(self._counts.values(), key=lambda each: -each.rows)
