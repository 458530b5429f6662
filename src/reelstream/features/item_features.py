"""What the rating model knows of a film besides its stars: genres, era, how often it was rated, and
by whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Film

FIRST_YEAR = 1900
YEARS_AN_ERA = 5
N_ERAS = 26
N_COUNT_BUCKETS = 10
# Of columns: see `ItemFeatures.groups`.
N_GROUPS = 4


@dataclass(frozen=True, slots=True)
class ItemFeatures:
    """The side features of films: columns of about unit size, the first of them one."""

    genres: tuple[str, ...]
    """The genres that have a column each, in their order."""

    @property
    def n_own(self) -> int:
        """The number of columns before those of the audience."""
        return 1 + len(self.genres) + N_ERAS + N_COUNT_BUCKETS

    def groups(self, n_audience: int) -> NDArray[np.int64]:
        """The group of each column, whose weights have a precision of their own: 0 genres, 1 eras,
        2 counts, 3 audience; -1 for the intercept, whose weights have precision one.
        """
        sizes = 1, len(self.genres), N_ERAS, N_COUNT_BUCKETS, n_audience
        return np.repeat(np.arange(-1, N_GROUPS), sizes)

    def encode(
        self, films: Sequence[Film | None], counts: NDArray[np.int64], audience: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The features (n_films, n_own + n_audience) of films, None for one outside the catalogue.

        Each with its rating count (n_films,) and audience (n_films, n_audience): see
        `audience_features`.
        """
        rows = np.zeros((len(films), self.n_own + audience.shape[1]))
        rows[:, 0] = 1.0
        column = {genre: 1 + number for number, genre in enumerate(self.genres)}
        first_era = 1 + len(self.genres)
        for row, film in zip(rows, films, strict=True):
            if film is None:
                continue
            for genre in film.genres:
                if genre in column:
                    # All genres of a film together have length one, however many it has.
                    row[column[genre]] = 1.0 / np.sqrt(len(film.genres))
            if film.year is not None:
                row[
                    first_era + min(max((film.year - FIRST_YEAR) // YEARS_AN_ERA, 0), N_ERAS - 1)
                ] = 1.0
        buckets = np.minimum(np.log1p(counts).astype(np.int64), N_COUNT_BUCKETS - 1)
        rows[np.arange(len(films)), first_era + N_ERAS + buckets] = 1.0
        rows[:, self.n_own :] = audience
        return rows
