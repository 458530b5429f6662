"""Items at the time of a query: what a belief about a user predicts of an item, and how an item is
updated with a rating.

An item's row in draw s is normal, `N(mean, C)`, given the users that were drawn with it. A new
rating by a user whose factors are known as `N(p, V)` is a measurement of it, `x = [1, p]`, with
noise `1/(alpha lam) + h'V h`:

    K = C x / (x'C x + noise),   mean += K e,   C -= K x'C

This is assumed density filtering (Opper, *A Bayesian Approach to On-line Learning*, 1998): the user
is not corrected for what the item learns, and the other way round. Only predictions use updated
items: users are always filtered with the items of the set, or their states would depend on the
order in which all ratings arrived.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Film
from reelstream.compute.arrays import Bools, Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.models.like.offset import LikeOffset
from reelstream.models.like.width_offset import WidthOffset
from reelstream.models.rating.kalman import expect, item_variance, spread
from reelstream.models.rating.model import RatingModel
from reelstream.models.rating.user_state import UserBeliefs

# Rows that the arrays of updated items have besides one for each item of the set, and by which they
# grow at least.
MIN_ADDED_ROWS = 16


class ItemQueries(NamedTuple):
    """n queries, and the ratings that came where items are to be updated with them."""

    beliefs: Ints
    """(n,): which of the users' beliefs each is answered from."""
    rows: Ints
    """(n,): rows of items; from I on, rows of the items that are updated."""
    centred: Floats
    """(n,): ratings less mu."""
    is_update: Bools
    """(n,): whether the item is updated with the rating once it has been predicted."""

    @classmethod
    def without_updates(cls, beliefs: NDArray[np.int64], rows: NDArray[np.int64]) -> ItemQueries:
        """Queries that change no item."""
        n = len(rows)
        return cls(beliefs, rows, np.zeros(n), np.zeros(n, bool))


class ItemBeliefs(NamedTuple):
    """What is known of I items in S draws; float32."""

    means: Floats
    """(S, I, D)"""
    covs: Floats
    """(S, I, D, D)"""


class OnlineItems:
    """The items of a set that were updated since it was fitted, and those that it has no ratings
    of.

    Not safe to change while another thread reads.
    """

    def __init__(self, model: RatingModel, film_of: Callable[[int], Film | None]) -> None:
        """`film_of` looks an item up in the catalogue."""
        S, _, D = model.draws.means.shape
        self._model, self._film_of = model, film_of
        self._rows: dict[int, int] = {}
        self.means: NDArray[np.float32] = np.empty((S, 0, D), np.float32)
        """(S, E, D), E at least `len(self)`: rows from there on are not in use yet."""
        self.covs: NDArray[np.float32] = np.empty((S, 0, D, D), np.float32)
        """(S, E, D, D)"""
        self.like_offset, self.width_offset = LikeOffset(), WidthOffset()
        """Learn from the same ratings."""

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def beliefs(self) -> ItemBeliefs:
        """The arrays of these items, as compiled functions take them."""
        return ItemBeliefs(self.means, self.covs)

    def rows(self, item_ids: NDArray[np.int64], *, own: bool) -> NDArray[np.int64]:
        """The row (n,) of each item for `ItemQueries`; with `own` each gets one that may be
        updated.
        """
        n_items = len(self._model.item_ids)
        rows, ids = self._model.items.rows(item_ids), item_ids.tolist()
        self._add(
            {
                item_id: row
                for item_id, row in zip(ids, rows.tolist(), strict=True)
                if (own or row < 0) and item_id not in self._rows
            }
        )
        for n, item_id in enumerate(ids):
            if (online := self._rows.get(item_id)) is not None:
                rows[n] = n_items + online
        return rows

    def row_of(self, item_id: int) -> NDArray[np.float32]:
        """(S, D): the present means of one item, as a copy."""
        row = int(self.rows(np.array([item_id]), own=False)[0])
        n_items = len(self._model.item_ids)
        means = self._model.draws.means if row < n_items else self.means
        return means[:, row if row < n_items else row - n_items].copy()

    def save(self, folder: Path) -> None:
        """Write these items as arrays into an existing folder."""
        n = len(self)
        np.save(folder / "item_ids.npy", np.array(list(self._rows), np.int64))
        np.save(folder / "means.npy", self.means[:, :n])
        np.save(folder / "covs.npy", self.covs[:, :n])
        np.save(folder / "like_offset.npy", [self.like_offset.value, self.like_offset.variance])
        widths = self.width_offset
        np.save(folder / "width_offset.npy", np.vstack([widths.mean, widths.cov]))

    def restore(self, folder: Path) -> None:
        """Go on from the items that `save` wrote, of the same model."""
        item_ids = np.load(folder / "item_ids.npy").tolist()
        self._rows = {item_id: row for row, item_id in enumerate(item_ids)}
        self.means, self.covs = np.load(folder / "means.npy"), np.load(folder / "covs.npy")
        # Items that were saved before there was an offset begin without one.
        if (folder / "like_offset.npy").exists():
            self.like_offset = LikeOffset(*np.load(folder / "like_offset.npy").tolist())
        if (folder / "width_offset.npy").exists():
            mean, *cov = np.load(folder / "width_offset.npy")
            self.width_offset = WidthOffset(mean, np.array(cov))

    def _add(self, new: Mapping[int, int]) -> None:
        """Give new items, by id, a row each; they begin with the row that the model has of them, or
        with -1 as unrated ones.
        """
        if not new:
            return
        first, end = len(self._rows), len(self._rows) + len(new)
        self._rows |= zip(new, range(first, end), strict=True)
        if end > self.means.shape[1]:
            # Once for all items of the set: a row takes no memory before it is written to.
            n_rows = max(len(self._model.item_ids), end) + MIN_ADDED_ROWS
            self.means = _with_rows(self.means, n_rows)
            self.covs = _with_rows(self.covs, n_rows)
        fitted, rows = np.array(list(new.values())), np.arange(first, end)
        draws, is_rated = self._model.draws, fitted >= 0
        self.means[:, rows[is_rated]] = draws.means[:, fitted[is_rated]]
        self.covs[:, rows[is_rated]] = draws.covs[:, fitted[is_rated]]
        films = [self._film_of(item_id) for item_id, row in new.items() if row < 0]
        if films:
            self.means[:, rows[~is_rated]] = self._model.unrated_means(films)
            self.covs[:, rows[~is_rated]] = self._model.unrated_covariance[:, None]


def _with_rows(items: NDArray[np.float32], n_rows: int) -> NDArray[np.float32]:
    """The same items (S, E, ...), in arrays of `n_rows`."""
    extended = np.empty((len(items), n_rows, *items.shape[2:]), np.float32)
    extended[:, : items.shape[1]] = items
    return extended


@compiled()
def normal_above(mean: float, variance: float, threshold: float) -> float:
    """P(x > threshold) for normal x."""
    return 0.5 * math.erfc((threshold - mean) / math.sqrt(2.0 * variance))


@compiled()
def predict_items(
    queries: ItemQueries,
    beliefs: UserBeliefs,
    fitted: ItemBeliefs,
    online: ItemBeliefs,
    threshold: float,
    answers: Floats,
) -> None:
    """Answer n queries in their order, and update `online` items in between.

    `answers` (n, 3) receives mean, variance and P(rating > threshold), of ratings less mu. The
    variance is that within the draws plus (1 + 1/S) times that between them (Rubin, *Multiple
    Imputation for Nonresponse in Surveys*, 1987).
    """
    S, n_items, D = fitted.means.shape
    gain, direction = np.empty(D + 1, np.float32), np.empty(D, np.float32)
    # Of S draws the variance is a sample's, and their mean is uncertain.
    few_draws = (S + 1) / (S - 1) if S > 1 else 0.0
    for j in range(queries.rows.size):
        at, row = queries.beliefs[j], queries.rows[j]
        first = within = squares = above = 0.0
        for s in range(S):
            user, user_cov, noise = beliefs.mean[at, s], beliefs.cov[at, s], beliefs.noise[at, s]
            if row < n_items:
                item, item_cov = fitted.means[s, row], fitted.covs[s, row]
            else:
                item, item_cov = online.means[s, row - n_items], online.covs[s, row - n_items]
            echo, own = beliefs.echo[at, s, 1], 1.0 - beliefs.echo[at, s, 0]
            leisure, user_variance = expect(user, item), spread(user_cov, item, gain)
            value = own * leisure + echo
            uncertain = user_variance + item_variance(user, user_cov, item_cov)
            variance = noise + own * own * uncertain
            first += value / S
            within += variance / S
            squares += value * value / S
            above += normal_above(value, variance, threshold) / S
            if queries.is_update[j]:
                error = (queries.centred[j] - echo) / own - leisure
                measured = noise / (own * own) + user_variance
                update_item(user, item, item_cov, error, measured, direction)
        answers[j, 0] = first
        answers[j, 1] = within + (squares - first * first) * few_draws
        answers[j, 2] = above


@compiled()
def update_item(
    user: Floats, item: Floats, item_cov: Floats, error: float, noise: float, direction: Floats
) -> None:
    """Condition an item (D,), (D, D) on a rating that was `error` off; `direction` (D,) is scratch
    for C x.
    """
    D = item.size
    variance = noise
    for a in range(D):
        v = item_cov[a, 0]
        for b in range(1, D):
            v += item_cov[a, b] * user[b]
        direction[a] = v
        variance += v * (user[a] if a > 0 else 1.0)
    for a in range(D):
        item[a] += direction[a] * error / variance
        for b in range(D):
            item_cov[a, b] -= direction[a] * direction[b] / variance
