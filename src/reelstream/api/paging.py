"""One page of a list: which entries it has, and where the next one begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Paged(Protocol):
    """A query for a page of a list."""

    @property
    def offset(self) -> int:
        """How many entries to leave out first."""

    @property
    def limit(self) -> int:
        """How many entries to answer at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """The entries from `start` to `end`, exclusive, of a list that may be shorter.

    >>> page = Page(20, 30)
    >>> list(range(25))[page.entries], page.next(25), page.next(31)
    ([20, 21, 22, 23, 24], None, 30)
    """

    start: int
    end: int

    @classmethod
    def of(cls, query: Paged) -> Page:
        """The page that a query asks for."""
        return cls(query.offset, query.offset + query.limit)

    @property
    def entries(self) -> slice:
        """Its part of the list."""
        return slice(self.start, self.end)

    def next(self, total: int) -> int | None:
        """The offset of the next page of a list of so many entries; None after the last."""
        return self.end if self.end < total else None
