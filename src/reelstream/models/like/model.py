"""The like model: how likely is a rating at or above the threshold.

Thresholding the rating model's posterior ranks well but is not calibrated. A logistic regression on
what the posterior says, and on how the user and the film were liked so far, is; it is fitted on
ratings that the item side has never seen, or it would learn to trust too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from reelstream.features.vocabulary import Vocabulary
from reelstream.files import encode_json, read_json, write_synced

FORMAT = 1
MIN_RATINGS_TO_FIT = 500
"""Held-out ratings below which the thresholded posterior stands as it is."""
SMOOTHING = 5.0
"""Ratings of average taste that are added to a user's or a film's own share of likes."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """What the rating model says of n questions, before the like model has its say."""

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


class _About(msgspec.Struct):
    format: int
    threshold: float
    like_share: float
    centre: list[float]
    scale: list[float]
    weights: list[float]
    intercept: float


@dataclass(frozen=True, slots=True)
class LikeModel:
    """A fitted like model. Without weights it passes the thresholded posterior on."""

    threshold: float
    """Stars; a rating from here on is a like."""
    like_share: float
    """Of all ratings that the film counts are from."""
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

    @classmethod
    def count(
        cls, item_ids: NDArray[np.int64], ratings: NDArray[np.float32], threshold: float
    ) -> Self:
        """A model that is not fitted yet: it knows how often each film of these ratings was
        liked.
        """
        items = Vocabulary.of(item_ids)
        rows = items.rows(item_ids)
        n_items = len(items)
        counts, likes = (
            np.bincount(rows, minlength=n_items),
            np.bincount(rows[ratings >= threshold], minlength=n_items),
        )
        return cls.of_counts(items, counts, likes, threshold)

    @classmethod
    def of_counts(
        cls,
        items: Vocabulary,
        counts: NDArray[np.int64],
        likes: NDArray[np.int64],
        threshold: float,
    ) -> Self:
        """As `count`, from each item's ratings and likes (n_items,)."""
        none = np.empty(0)
        share = float(likes.sum() / counts.sum()) if len(items) else 0.5
        return cls(threshold, share, items, counts, likes, none, none, none, 0.0)

    def fit(
        self, posterior: Posterior, item_ids: NDArray[np.int64], liked: NDArray[np.bool_]
    ) -> LikeModel:
        """The same model with weights, from held-out questions and their answers; as it is when
        they are too few.
        """
        if len(liked) < MIN_RATINGS_TO_FIT or liked.all() or not liked.any():
            return self
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (seconds to import; a server never fits)

        x = self._features(posterior, item_ids)
        centre, scale = x.mean(0), np.maximum(x.std(0), 1e-9)
        fitted = LogisticRegression(max_iter=1000).fit((x - centre) / scale, liked)
        return LikeModel(
            self.threshold,
            self.like_share,
            self.items,
            self.item_ratings,
            self.item_likes,
            centre,
            scale,
            fitted.coef_[0],
            float(fitted.intercept_[0]),
        )

    def probability(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The probability of a like (n,) for each question."""
        if len(self.weights) == 0:
            return posterior.above
        x = (self._features(posterior, item_ids) - self.centre) / self.scale
        probability: NDArray[np.float64] = expit(x @ self.weights + self.intercept)
        return probability

    def _features(self, posterior: Posterior, item_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        rows = self.items.rows(item_ids)
        # Row -1, a film without ratings, reads the zero behind the last.
        item_ratings, item_likes = (
            np.append(self.item_ratings, 0)[rows],
            np.append(self.item_likes, 0)[rows],
        )
        return np.column_stack(
            [
                posterior.mean,
                posterior.mean**2,
                np.sqrt(posterior.variance),
                logit(np.clip(posterior.above, 1e-4, 1 - 1e-4)),
                self._share(posterior.user_likes, posterior.user_ratings),
                self._share(item_likes, item_ratings),
                np.log1p(posterior.user_ratings),
                np.log1p(item_ratings),
            ]
        )

    def _share(self, likes: NDArray[np.int64], ratings: NDArray[np.int64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = (likes + SMOOTHING * self.like_share) / (ratings + SMOOTHING)
        return share

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        about = _About(
            FORMAT,
            self.threshold,
            self.like_share,
            self.centre.tolist(),
            self.scale.tolist(),
            self.weights.tolist(),
            self.intercept,
        )
        write_synced(folder / "model.json", encode_json(about))
        np.save(folder / "item_ids.npy", self.items.ids)
        np.save(folder / "item_ratings.npy", self.item_ratings)
        np.save(folder / "item_likes.npy", self.item_likes)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        about = read_json(folder / "model.json", _About)
        return cls(
            about.threshold,
            about.like_share,
            Vocabulary(np.load(folder / "item_ids.npy")),
            np.load(folder / "item_ratings.npy"),
            np.load(folder / "item_likes.npy"),
            np.array(about.centre),
            np.array(about.scale),
            np.array(about.weights),
            about.intercept,
        )
