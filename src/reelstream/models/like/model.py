"""The like model: how likely is a rating at or above the threshold.

Thresholding the rating model's posterior ranks well but is not calibrated. A logistic regression on
that posterior, and on how many likes the user gave and the item got so far, is. It is fitted to
ratings that the item side has never seen: for others the posterior is too sure, and the weights
would trust it too much. The same ratings say by how much the posterior's variance is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from reelstream.features.vocabulary import Vocabulary
from reelstream.files import encode_json, read_json, write_synced
from reelstream.models.like.variance_scale import N_COLUMNS, VarianceScale, variance_columns

FORMAT = 1

# Ratings of average taste that are added to a user's or an item's own share of likes: a share of
# two ratings would be 0, 1/2 or 1.
SMOOTHING = 5.0
# Log odds are taken of probabilities at least this far from 0 and 1, where they are infinite.
MIN_PROBABILITY = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What the rating model predicts for n queries: the like model's input."""

    mean: NDArray[np.float64]
    """(n,): stars."""
    variance: NDArray[np.float64]
    """(n,): of the rating itself, squared stars."""
    above: NDArray[np.float64]
    """(n,): probability of a rating at or above the like threshold, from the posterior alone."""
    user_ratings: NDArray[np.int64]
    """(n,): how many ratings of the user it rests on."""
    user_likes: NDArray[np.int64]
    """(n,): how many of these were likes."""
    like_offset: NDArray[np.float64]
    """(n,): log odds that are added to those of a like: see `LikeOffset`."""
    width_offset: NDArray[np.float64]
    """(n,): logarithm of a factor on the standard deviation: see `WidthOffset`."""

    def __getitem__(self, chosen: slice | NDArray[np.int64]) -> Posterior:
        """Those of the chosen queries."""
        return Posterior(
            **{field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        )


class _About(msgspec.Struct, kw_only=True):
    format: int = FORMAT
    threshold: float
    like_share: float
    centre: list[float]
    scale: list[float]
    weights: list[float]
    intercept: float
    # Models that were fitted before variances were corrected lack these.
    variance_centre: tuple[float, ...] = (0.0,) * N_COLUMNS
    variance_scale: tuple[float, ...] = (1.0,) * N_COLUMNS
    variance_weights: tuple[float, ...] = (0.0,) * N_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class LikeModel:
    """A fitted like model. Without weights it answers with the thresholded posterior."""

    threshold: float
    """Stars; a rating from here on is a like."""
    like_share: float
    """Of all ratings that are counted."""
    items: Vocabulary
    item_ratings: NDArray[np.int64]
    """(I,)"""
    item_likes: NDArray[np.int64]
    """(I,)"""
    centre: NDArray[np.float64]
    """(n_features,): means of the features; empty when not fitted."""
    scale: NDArray[np.float64]
    """(n_features,): standard deviations of the features."""
    weights: NDArray[np.float64]
    """(n_features,)"""
    intercept: float
    variance_scale: VarianceScale
    """Corrects how wide the rating model says that a rating spreads."""

    @classmethod
    def of_counts(
        cls,
        items: Vocabulary,
        counts: NDArray[np.int64],
        likes: NDArray[np.int64],
        threshold: float,
    ) -> Self:
        """A model without weights, from each item's ratings and likes (I,)."""
        none = np.empty(0)
        return cls(
            threshold=threshold,
            like_share=float(likes.sum() / counts.sum()) if len(items) else 0.5,
            items=items,
            item_ratings=counts,
            item_likes=likes,
            centre=none,
            scale=none,
            weights=none,
            intercept=0.0,
            variance_scale=VarianceScale.none(),
        )

    def probability(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probability of a like (n,) for each query."""
        log_odds = self.log_odds(posterior, item_ids) + posterior.like_offset
        probability: NDArray[np.float64] = expit(log_odds)
        return probability

    def log_odds(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The log odds of a like (n,) for each query, without the offset."""
        if len(self.weights) == 0:
            return _log_odds(posterior.above)
        x = (self.features(posterior, item_ids) - self.centre) / self.scale
        log_odds: NDArray[np.float64] = x @ self.weights + self.intercept
        return log_odds

    def variance(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The variance of the rating itself (n,), corrected."""
        columns = self.variance_columns(posterior, item_ids)
        factors = self.variance_scale.factors(columns) * np.exp(2 * posterior.width_offset)
        return posterior.variance * factors

    def variance_columns(
        self, posterior: Posterior, item_ids: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """The columns (n, N_COLUMNS) of the variance's correction."""
        item_ratings, _ = self._counts_of(self.items.rows(item_ids))
        return variance_columns(
            posterior.mean, posterior.variance, posterior.user_ratings, item_ratings
        )

    def features(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The columns (n, n_features) of the regression, not scaled."""
        rows = self.items.rows(item_ids)
        item_ratings, item_likes = self._counts_of(rows)
        columns = (
            posterior.mean,
            posterior.mean**2,
            np.sqrt(posterior.variance),
            _log_odds(posterior.above),
            self._share(posterior.user_likes, posterior.user_ratings),
            self._share(item_likes, item_ratings),
            np.log1p(posterior.user_ratings),
            np.log1p(item_ratings),
        )
        # For one query, `column_stack` would take as long as all of the columns.
        stacked = np.empty((len(rows), len(columns)))
        for place, column in enumerate(columns):
            stacked[:, place] = column
        return stacked

    def _counts_of(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Ratings and likes (n,) of items by row; an item without ratings has row -1."""
        if not len(self.item_ratings):
            return np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        # Row -1 reads some item, whose counts the factor makes 0. A longer array with a 0 at its
        # end would be a copy of all items for each query.
        exists = rows >= 0
        return self.item_ratings[rows] * exists, self.item_likes[rows] * exists

    def _share(self, likes: NDArray[np.int64], ratings: NDArray[np.int64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = (likes + SMOOTHING * self.like_share) / (ratings + SMOOTHING)
        return share

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        about = _About(
            threshold=self.threshold,
            like_share=self.like_share,
            centre=self.centre.tolist(),
            scale=self.scale.tolist(),
            weights=self.weights.tolist(),
            intercept=self.intercept,
            variance_centre=tuple(self.variance_scale.centre.tolist()),
            variance_scale=tuple(self.variance_scale.scale.tolist()),
            variance_weights=tuple(self.variance_scale.weights.tolist()),
        )
        write_synced(folder / "model.json", encode_json(about))
        np.save(folder / "item_ids.npy", self.items.ids)
        np.save(folder / "item_ratings.npy", self.item_ratings)
        np.save(folder / "item_likes.npy", self.item_likes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises DamagedError, OSError."""
        about = read_json(folder / "model.json", _About)
        return cls(
            threshold=about.threshold,
            like_share=about.like_share,
            items=Vocabulary(np.load(folder / "item_ids.npy")),
            item_ratings=np.load(folder / "item_ratings.npy"),
            item_likes=np.load(folder / "item_likes.npy"),
            centre=np.array(about.centre),
            scale=np.array(about.scale),
            weights=np.array(about.weights),
            intercept=about.intercept,
            variance_scale=VarianceScale(
                centre=np.array(about.variance_centre),
                scale=np.array(about.variance_scale),
                weights=np.array(about.variance_weights),
            ),
        )


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    log_odds: NDArray[np.float64] = logit(
        np.clip(probability, MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    )
    return log_odds
