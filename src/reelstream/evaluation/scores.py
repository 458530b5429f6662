"""How good predictions were, once the ratings are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

from reelstream.evaluation.reports import Scores
from reelstream.models.model_set import Predictions
from reelstream.ratings.scale import RatingScale

ECE_BINS = 10


def score(predictions: Predictions, ratings: NDArray[np.floating], scale: RatingScale) -> Scores:
    """Scores of full predictions (mean, sd and like probability, each (n,)) for ratings (n,), none
    of them NaN.
    """
    # Scikit-learn raises where there is nothing to score.
    if not len(ratings):
        return Scores(0)
    rated = ratings.astype(np.float64)
    errors = rated - predictions.mean
    liked = ratings >= scale.like_threshold  # in their own precision, as the like model counts
    points = score_points(predictions.mean, ratings, scale)
    densities = -0.5 * np.log(2 * np.pi * predictions.sd**2) - 0.5 * (errors / predictions.sd) ** 2
    return Scores(
        n=len(rated),
        rmse=points.rmse,
        mae=points.mae,
        auc=_auc(liked, predictions.like_probability),
        log_loss=float(log_loss(liked, predictions.like_probability, labels=[False, True])),
        log_likelihood=float(densities.mean()),
        ece=_calibration_error(liked, predictions.like_probability),
        coverage_1sd=float((np.abs(errors) <= predictions.sd).mean()),
        coverage_2sd=float((np.abs(errors) <= 2 * predictions.sd).mean()),
    )


def score_points(
    predicted: NDArray[np.float64], ratings: NDArray[np.floating], scale: RatingScale
) -> Scores:
    """Scores of bare numbers, as baselines give them: their order is what stands for a like
    probability.
    """
    if not len(ratings):
        return Scores(0)
    errors = clipped_errors(predicted, ratings, scale)
    return Scores(
        n=len(ratings),
        rmse=float(np.sqrt((errors**2).mean())),
        mae=float(np.abs(errors).mean()),
        auc=_auc(ratings >= scale.like_threshold, predicted),
    )


def clipped_errors(
    predicted: NDArray[np.float64], ratings: NDArray[np.floating], scale: RatingScale
) -> NDArray[np.float64]:
    """Rating minus prediction, after clipping the prediction to the scale: what RMSE is made of.
    (n,).
    """
    errors: NDArray[np.float64] = ratings.astype(np.float64) - np.clip(
        predicted, scale.lowest, scale.highest
    )
    return errors


def _auc(liked: NDArray[np.bool_], ranking: NDArray[np.float64]) -> float | None:
    # With likes alone, or none, there are no pairs to put in order.
    return None if liked.all() or not liked.any() else float(roc_auc_score(liked, ranking))


def _calibration_error(liked: NDArray[np.bool_], probability: NDArray[np.float64]) -> float:
    # A probability of 1 belongs to the last bin.
    bins = np.minimum((probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    return float(
        np.abs(np.bincount(bins, probability - liked, minlength=ECE_BINS)).sum() / len(liked)
    )
