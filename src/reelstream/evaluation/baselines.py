"""What a model has to beat: predictions that need no model worth the name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale

# With these, biases found one after the other score like those of Surprise's BaselineOnly, found by
# alternating.
ITEM_DAMPING, USER_DAMPING = 10, 5


class ItemSums:
    """How many ratings each item has, and their sum: all that baselines keep of a history, however
    long it is.
    """

    def __init__(self) -> None:
        self.ids: NDArray[np.int64] = np.empty(0, np.int64)
        """(n_items,), rising."""
        self.counts: NDArray[np.int64] = np.empty(0, np.int64)
        """(n_items,)"""
        self.sums: NDArray[np.float64] = np.empty(0)
        """(n_items,): of stars."""

    @classmethod
    def of(cls, ratings: EventColumns) -> ItemSums:
        """The sums of these ratings."""
        sums = cls()
        sums.add(ratings)
        return sums

    def add(self, ratings: EventColumns) -> None:
        """Count further ratings. One that replaces another counts beside it."""
        ids = np.union1d(self.ids, ratings.item_id)
        known, new = np.searchsorted(ids, self.ids), np.searchsorted(ids, ratings.item_id)
        counts, sums = np.zeros(len(ids), np.int64), np.zeros(len(ids))
        counts[known], sums[known] = self.counts, self.sums
        self.ids, self.counts = ids, counts + np.bincount(new, minlength=len(ids))
        self.sums = sums + np.bincount(new, ratings.rating, len(ids))

    def mean(self, scale: RatingScale) -> float:
        """Of all ratings; without any, the middle of the scale."""
        n = self.counts.sum()
        return float(self.sums.sum() / n) if n else (scale.lowest + scale.highest) / 2


class GlobalMean:
    """Predicts the mean of all ratings seen."""

    def __init__(self, items: ItemSums, scale: RatingScale) -> None:
        """`items`: of all ratings seen."""
        self.mean = items.mean(scale)

    @classmethod
    def of(cls, ratings: EventColumns, scale: RatingScale) -> GlobalMean:
        """Of ratings in memory."""
        return cls(ItemSums.of(ratings), scale)

    def predict(
        self, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """One prediction, in stars, for each user and item: (n,)."""
        return np.full(len(user_ids), self.mean)


class BiasBaseline:
    """Predicts the global mean plus a damped deviation of the user and of the item; 0 for those
    never seen.

    The item's first, then what it leaves to the user: Koren, *Factor in the Neighbors* (TKDD 2010),
    section 2.1.
    """

    def __init__(self, items: ItemSums, known: EventColumns, scale: RatingScale) -> None:
        """`items`: of all ratings seen; `known`: at least those of the users to be predicted."""
        self._mean, self._items = items.mean(scale), items.ids
        self._item_bias = (items.sums - items.counts * self._mean) / (items.counts + ITEM_DAMPING)
        self._users, row = np.unique(known.user_id, return_inverse=True)
        left = known.rating - self._mean - _looked_up(items.ids, self._item_bias, known.item_id)
        self._user_bias = np.bincount(row, left) / (np.bincount(row) + USER_DAMPING)

    @classmethod
    def of(cls, ratings: EventColumns, scale: RatingScale) -> BiasBaseline:
        """Of ratings in memory."""
        return cls(ItemSums.of(ratings), ratings, scale)

    def predict(
        self, user_ids: NDArray[np.int64], item_ids: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """One prediction, in stars, for each user and item: (n,)."""
        user_bias = _looked_up(self._users, self._user_bias, user_ids)
        return self._mean + user_bias + _looked_up(self._items, self._item_bias, item_ids)


def _looked_up(
    known: NDArray[np.int64], values: NDArray[np.float64], ids: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The value of each id, 0 for an id that is not among the known (sorted) ones."""
    if not len(known):
        return np.zeros(len(ids))
    # An id above all known ones is placed after the last row: any row will do, as it is compared.
    rows = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    return np.where(known[rows] == ids, values[rows], 0.0)
