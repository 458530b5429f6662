"""What a model has to beat: predictions that need no model worth the name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings import RatingColumns, RatingScale

ITEM_DAMPING, USER_DAMPING, ROUNDS = 10, 15, 10
"""As in Surprise's BaselineOnly, whose published figures are then comparable."""


class GlobalMean:
    """Predicts the mean of all ratings seen."""

    def __init__(self, ratings: RatingColumns, scale: RatingScale) -> None:
        """Without ratings it predicts the middle of the scale."""
        middle = (scale.lowest + scale.highest) / 2
        self.mean = float(ratings.rating.mean(dtype=np.float64)) if len(ratings) else middle

    def predict(self, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """One number a question, (n,)."""
        return np.full(len(user_ids), self.mean)


class BiasBaseline:
    """Predicts the global mean plus a damped deviation of the user and of the item; 0 for those never seen.

    Alternating least squares as in Koren, *Factor in the Neighbors* (TKDD 2010), section 2.1.
    """

    def __init__(self, ratings: RatingColumns, scale: RatingScale) -> None:
        self._mean = GlobalMean(ratings, scale).mean
        self._users, user_row = np.unique(ratings.user_id, return_inverse=True)
        self._items, item_row = np.unique(ratings.item_id, return_inverse=True)
        self._user_bias, self._item_bias = np.zeros(len(self._users)), np.zeros(len(self._items))
        users, items = np.bincount(user_row) + USER_DAMPING, np.bincount(item_row) + ITEM_DAMPING
        deviation = ratings.rating - self._mean
        for _ in range(ROUNDS):
            self._item_bias = np.bincount(item_row, deviation - self._user_bias[user_row]) / items
            self._user_bias = np.bincount(user_row, deviation - self._item_bias[item_row]) / users

    def predict(self, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """One number a question, (n,)."""
        user_bias = _looked_up(self._users, self._user_bias, user_ids)
        return self._mean + user_bias + _looked_up(self._items, self._item_bias, item_ids)


def _looked_up(known: NDArray[np.int64], values: NDArray[np.float64], asked: NDArray[np.int64]) -> NDArray[np.float64]:
    """The value of each asked id, 0 for an id that is not among the known (sorted) ones."""
    if not len(known):
        return np.zeros(len(asked))
    rows = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[rows] == asked, values[rows], 0.0)
