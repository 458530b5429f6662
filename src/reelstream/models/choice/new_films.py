"""Columns of films that have none yet, from what is known of them: their genres.

A film that hardly anybody has rated when a set is fitted gets no column. Until its first ratings
tell more, it is scored as films of its genres are that have few ratings: the mean of their columns,
by genre, and of that the mean over its genres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Ratings of the films whose columns are borrowed: from the fewest that make a column.
BORROWED_FROM = (2, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowedColumns:
    """B films without a column, L films that lend theirs, and G genres."""

    borrowers: NDArray[np.int64]
    """(B,): their rows."""
    lenders: NDArray[np.int64]
    """(L,): their rows."""
    taken: NDArray[np.float32]
    """(B, G): the part that each genre has in a borrower."""
    given: NDArray[np.float32]
    """(L, G): the part that each lender has in the mean of a genre."""

    @classmethod
    def of(
        cls, counts: NDArray[np.int64], of_genre: Mapping[str, NDArray[np.bool_]]
    ) -> BorrowedColumns:
        """`counts` (I,): ratings of each film with a column when it was fitted, zero without one;
        `of_genre`: genre -> which films (N,) have it, of which those of the set come first.
        """
        n_films = len(next(iter(of_genre.values()), counts))
        known = np.zeros(n_films, np.int64)
        known[: len(counts)] = counts
        genres = np.zeros((n_films, len(of_genre)), np.float32)
        for column, has_genre in enumerate(of_genre.values()):
            genres[:, column] = has_genre
        fewest, most = BORROWED_FROM
        borrowers = np.flatnonzero((known == 0) & genres.any(1))
        lenders = np.flatnonzero((known >= fewest) & (known < most))
        given = genres[lenders] / np.maximum(genres[lenders].sum(0), 1)
        taken = genres[borrowers] / genres[borrowers].sum(1, keepdims=True)
        return cls(borrowers=borrowers, lenders=lenders, taken=taken, given=given)

    def add(self, scores: NDArray[np.float32]) -> None:
        """Add to the `scores` (C, N) of the borrowers, given those of the lenders."""
        by_genre = np.maximum(scores[:, self.lenders], 0) @ self.given
        scores[:, self.borrowers] += by_genre @ self.taken.T
