"""What a user's ratings say of his or her habits: how many, how generous, how varied, and which
genres.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reelstream.catalog import Catalog
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings.columns import EventColumns

# The columns of a profile before its genres: log(1 + ratings), mean rating, standard deviation.
HABITS = ("activity", "mean", "spread")

# Ratings of average kind that are added to a user's own, so that a profile of two ratings is not
# extreme.
SMOOTHING = 5.0


class GenreShares:
    """Each film's membership in genres; a film of k genres has 1/k of each."""

    def __init__(self, catalog: Catalog, genres: Sequence[str]) -> None:
        """`genres` are the columns."""
        self.genres = tuple(genres)
        films = sorted(catalog, key=lambda film: film.item_id)
        self.items = Vocabulary(np.array([film.item_id for film in films], np.int64))
        """The films of the catalogue."""
        self._shares = np.zeros((len(films) + 1, len(genres)))
        """(n_films + 1, n_genres); the last row is that of films outside the catalogue, zeros."""
        column = {genre: number for number, genre in enumerate(genres)}
        for row, film in zip(self._shares, films, strict=False):
            for genre in film.genres:
                if genre in column:
                    row[column[genre]] = 1 / len(film.genres)

    def sums(self, item_ids: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
        """Genre shares (n_users, n_genres), added up over each user's films, which begin at
        `starts` (n_users + 1,).
        """
        rows = self.items.rows(item_ids)
        rows[rows < 0] = len(self.items)  # the row of zeros
        rated = csr_array(
            (np.ones(len(rows), np.float32), rows, starts),
            shape=(len(starts) - 1, len(self._shares)),
        )
        sums: NDArray[np.float64] = rated @ self._shares
        return sums


def average_profile(ratings: EventColumns, genres: GenreShares) -> NDArray[np.float64]:
    """Mean, standard deviation and genre shares (2 + n_genres,) of all ratings: what a profile is
    smoothed towards.
    """
    stars = ratings.rating.astype(np.float64)
    shares = genres.sums(ratings.item_id, np.array([0, len(ratings)]))[0] / len(ratings)
    return np.concatenate([[stars.mean(), stars.std()], shares])


def user_profiles(
    ratings: EventColumns,
    starts: NDArray[np.int64],
    genres: GenreShares,
    average: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Profiles (n_users, 3 + n_genres) of users whose ratings begin at `starts` (n_users + 1,) in
    `ratings`.
    """
    n = np.diff(starts)
    user_rows = np.repeat(np.arange(len(n)), n)
    stars = ratings.rating.astype(np.float64)
    sums = np.column_stack(
        [
            np.bincount(user_rows, stars, minlength=len(n)),
            np.bincount(user_rows, stars**2, minlength=len(n)),
            genres.sums(ratings.item_id, starts),
        ]
    )
    # Smoothed are the sums, of first and second powers: a spread cannot be averaged itself.
    mean, spread = average[:2]
    prior = np.concatenate([[mean, mean**2 + spread**2], average[2:]])
    smoothed = (sums + SMOOTHING * prior) / (n + SMOOTHING)[:, None]
    # Rounding may make the variance of equal ratings slightly negative.
    deviation = np.sqrt(np.maximum(smoothed[:, 1] - smoothed[:, 0] ** 2, 0))
    return np.column_stack([np.log1p(n), smoothed[:, 0], deviation, smoothed[:, 2:]])
