"""Scores mean what they are defined to mean."""

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from reelstream.evaluation.scores import score, score_points
from reelstream.ratings.scale import RatingScale


@dataclass
class FakePredictions:
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    like_probability: NDArray[np.float64]


SCALE = RatingScale()


def test_a_worked_example() -> None:
    """Every figure of four predictions, computed by hand."""
    predictions = FakePredictions(
        np.array([6.0, 3.0, 2.0, 4.0]), np.full(4, 1.0), np.array([0.95, 0.25, 0.25, 0.65])
    )
    scores = score(predictions, np.array([5.0, 4.0, 2.0, 4.5], np.float32), SCALE)
    assert scores.n == 4
    assert scores.rmse == pytest.approx(np.sqrt((0 + 1 + 0 + 0.25) / 4)), "6.0 is clipped to 5.0"
    assert scores.mae == pytest.approx(1.5 / 4)
    assert scores.auc == pytest.approx(2.5 / 3), (
        "two liked ones rank above the other, one ties with it"
    )
    assert scores.log_loss == pytest.approx(-np.log([0.95, 0.25, 0.75, 0.65]).mean())
    assert scores.log_likelihood == pytest.approx(
        -0.5 * np.log(2 * np.pi) - 0.5 * (1 + 1 + 0 + 0.25) / 4
    )
    assert scores.ece == pytest.approx((0.05 + 0.5 + 0.35) / 4)
    assert scores.coverage_1sd == 1.0


def test_a_rating_at_the_threshold_is_liked() -> None:
    """Also where binary numbers meet the threshold only nearly."""
    scale = RatingScale(0.1, 5.0, 0.1, like_threshold=4.1)
    predictions = FakePredictions(np.array([4.0, 4.1]), np.ones(2), np.array([0.2, 0.8]))
    assert score(predictions, np.array([4.0, 4.1], np.float32), scale).auc == 1.0


def test_a_right_model_is_calibrated() -> None:
    """Predictions that state their own errors' distribution cover as a normal does, with no
    calibration error.
    """
    rng = np.random.default_rng(1)
    n = 50_000
    probability = rng.uniform(size=n)
    liked = rng.uniform(size=n) < probability
    ratings = np.where(liked, 4.0, 3.0)
    sd = np.full(n, 0.8)
    scores = score(
        FakePredictions(ratings + rng.normal(0, 0.8, n), sd, probability), ratings, SCALE
    )
    assert scores.coverage_1sd == pytest.approx(0.683, abs=0.01)
    assert scores.coverage_2sd == pytest.approx(0.954, abs=0.01)
    assert scores.ece is not None
    assert scores.ece < 0.01


def test_one_class_has_no_auc() -> None:
    """Where nobody liked anything, ranking cannot be judged; the rest can."""
    scores = score(
        FakePredictions(np.full(3, 3.0), np.ones(3), np.full(3, 0.2)), np.full(3, 2.0), SCALE
    )
    assert scores.auc is None
    assert scores.log_loss == pytest.approx(-np.log(0.8))


def test_nothing_to_score() -> None:
    """No ratings give no figures, and no error."""
    nothing = np.empty(0)
    scores = score(FakePredictions(nothing, nothing, nothing), nothing, SCALE)
    assert (scores.n, scores.rmse, scores.auc) == (0, None, None)
    assert score_points(nothing, nothing, SCALE).n == 0
