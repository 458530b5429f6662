"""Fits the like model: counts likes, then fits weights to the rating model's predictions for the
holdout, and the correction of their variance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reelstream.features.holdout import fits_like_model, is_trainable
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.family import FamilyInput
from reelstream.models.like.model import LikeModel, Posterior
from reelstream.models.like.variance_fit import fit_variance_scale
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.replay import posterior_of_events
from reelstream.ratings.histories import Histories

# Held-out ratings below which the model stays without weights: nine numbers fitted to fewer are
# less accurate than the thresholded posterior.
MIN_RATINGS_TO_FIT = 500
# Of more users an even sample fits the weights: some ten thousand held-out ratings determine the
# nine numbers well enough.
MAX_LIKE_USERS = 3_000
# Ratings counted at once: the histories may be mapped, and larger than the memory.
COUNTED_ROWS = 1_000_000


def fit_like_family(data: FamilyInput) -> LikeModel:
    """The like model of a set whose rating model is fitted."""
    counted = count_likes(data.histories, data.scale.like_threshold)
    end_offsets = _end_offsets(data.histories)
    # Predictions are a set's, so the models so far make one; its number is never seen.
    so_far = ModelSet(
        number=0,
        models=data.models,
        catalog=data.catalog,
        scale=data.scale,
        trained_on=TrainedOn(end_offsets, {}),
    )
    return fit_weights(counted, so_far, data.histories, has_gate=data.has_gate)


def fit_weights(
    counted: LikeModel,
    model_set: ModelSet,
    histories: Histories,
    *,
    has_gate: bool,
    looks_ahead: bool = False,
) -> LikeModel:
    """The model with weights and a correction of variances, fitted to the predictions of a set's
    rating model for the holdout; with a gate, for the half of the holdout that is not the gate's.

    `looks_ahead` as in `posterior_of_events`.
    """
    by_position = histories.user_ids[histories.first_positions.argsort()]
    some = histories.of_users(np.sort(by_position[:: len(by_position) // MAX_LIKE_USERS + 1]))
    is_query = fits_like_model(some, has_gate=has_gate)
    posterior = posterior_of_events(
        model_set, some, is_query, is_trainable(some), looks_ahead=looks_ahead
    )
    ratings, item_ids = some.rating[is_query], some.item_id[is_query]
    fitted = with_weights(counted, posterior, item_ids, ratings >= counted.threshold)
    if len(ratings) < MIN_RATINGS_TO_FIT:
        return fitted
    variance_scale = fit_variance_scale(
        posterior,
        counted.variance_columns(posterior, item_ids),
        ratings.astype(np.float64),
        model_set.scale.values(),
    )
    return replace(fitted, variance_scale=variance_scale)


def with_weights(
    counted: LikeModel,
    posterior: Posterior,
    item_ids: NDArray[np.int64],
    liked: NDArray[np.bool_],
) -> LikeModel:
    """The model with weights, fitted to queries (n,) and whether each rating was a like (n,); the
    model as it is when they are too few, or all alike.
    """
    if len(liked) < MIN_RATINGS_TO_FIT or liked.all() or not liked.any():
        return counted
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (seconds to import; a server never fits)

    x = counted.features(posterior, item_ids)
    # A constant column is divided by a little instead of by zero.
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-9)
    fitted = LogisticRegression(max_iter=1000).fit((x - centre) / scale, liked)
    return replace(
        counted,
        centre=centre,
        scale=scale,
        weights=fitted.coef_[0],
        intercept=float(fitted.intercept_[0]),
    )


def count_likes(histories: Histories, threshold: float) -> LikeModel:
    """A model without weights that knows how often each item was liked.

    The holdout is left out: an item's share of likes must not hold the answers that the weights
    are fitted on.
    """
    parts: list[NDArray[np.int64]] = []
    for first in range(0, len(histories), COUNTED_ROWS):
        chunk = histories.ratings[first : first + COUNTED_ROWS]
        learned = chunk[is_trainable(chunk)]
        items, rows = np.unique(learned.item_id, return_inverse=True)
        n_items = len(items)
        counts = np.bincount(rows, minlength=n_items)
        likes = np.bincount(rows[learned.rating >= threshold], minlength=n_items)
        parts.append(np.stack([items, counts, likes]))
    columns = np.concatenate(parts, axis=1) if parts else np.empty((3, 0), np.int64)
    vocabulary = Vocabulary.of(columns[0])
    rows, totals = vocabulary.rows(columns[0]), np.zeros((len(vocabulary), 2), np.int64)
    np.add.at(totals, rows, columns[1:].T)  # an item may be in several parts
    return LikeModel.of_counts(vocabulary, totals[:, 0], totals[:, 1], threshold)


def _end_offsets(histories: Histories) -> dict[int, int]:
    """Partition -> the offset after the last rating: all of them were learned from."""
    ratings = histories.ratings
    return {
        int(partition): int(ratings.offset[ratings.partition == partition].max()) + 1
        for partition in np.unique(ratings.partition)
    }
