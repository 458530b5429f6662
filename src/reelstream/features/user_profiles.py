"""What a user's ratings say of his or her habits: how many, how generous, how varied, and which genres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Catalog
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings import RatingColumns

HABITS = ("activity", "mean", "spread")
"""The columns of a profile before its genres: log(1 + ratings), mean rating, standard deviation."""

SMOOTHING = 5.0
"""Ratings of average kind that are added to a user's own, so that a profile of two ratings is not extreme."""


class GenreShares:
    """Each film's membership in genres; a film of k genres has 1/k of each."""

    def __init__(self, catalog: Catalog, genres: Sequence[str]) -> None:
        """`genres` are the columns."""
        films = sorted(catalog, key=lambda film: film.item_id)
        self._items = Vocabulary(np.array([film.item_id for film in films], np.int64))
        self._shares = np.zeros((len(films) + 1, len(genres)))
        column = {genre: number for number, genre in enumerate(genres)}
        for row, film in zip(self._shares, films, strict=False):
            for genre in film.genres:
                if genre in column:
                    row[column[genre]] = 1 / len(film.genres)

    def of_items(self, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n, n_genres); zeros for a film outside the catalogue, whose row is the last."""
        return self._shares[self._items.rows(item_ids)]


def average_profile(ratings: RatingColumns, genres: GenreShares) -> NDArray[np.float64]:
    """Mean, standard deviation and genre shares (2 + n_genres,) of all ratings: what a profile is smoothed towards."""
    return np.concatenate([[ratings.rating.mean(), ratings.rating.std()], genres.of_items(ratings.item_id).mean(0)])


def user_profiles(
    ratings: RatingColumns, starts: NDArray[np.int64], genres: GenreShares, average: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Profiles (n_users, 3 + n_genres) of users whose ratings begin at `starts` (n_users + 1,) in `ratings`."""
    n = np.diff(starts).astype(float)
    stars = ratings.rating.astype(np.float64)
    columns = np.column_stack([stars, stars**2, genres.of_items(ratings.item_id)])
    running = np.vstack([np.zeros(columns.shape[1]), np.cumsum(columns, axis=0)])
    mean, spread = average[:2]
    prior = np.concatenate([[mean, mean**2 + spread**2], average[2:]])
    smoothed = (running[starts[1:]] - running[starts[:-1]] + SMOOTHING * prior) / (n + SMOOTHING)[:, None]
    deviation = np.sqrt(np.maximum(smoothed[:, 1] - smoothed[:, 0] ** 2, 0))
    return np.column_stack([np.log1p(n), smoothed[:, 0], deviation, smoothed[:, 2:]])
