"""The correction of variances, fitted to ratings whose spread is known."""

from __future__ import annotations

import numpy as np
import pytest

from reelstream.models.like.model import Posterior
from reelstream.models.like.variance_fit import fit_variance_scale
from reelstream.models.like.variance_scale import VarianceScale, variance_columns
from reelstream.models.model_set import rating_distribution

VALUES = np.arange(0.5, 5.01, 0.5)


def ratings_of_newcomers_and_others(n: int = 8000) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """Ratings that spread as the posterior says, but for users with few ratings, whose spread has
    twice that variance.
    """
    rng = np.random.default_rng(0)
    known = rng.choice([2, 300], n)
    mean, variance = rng.uniform(2.0, 4.0, n), rng.uniform(0.3, 0.6, n)
    spread = np.sqrt(variance * np.where(known < 20, 2.0, 1.0))
    ratings = np.clip(np.round((mean + spread * rng.standard_normal(n)) * 2) / 2, 0.5, 5.0)
    posterior = Posterior(
        mean=mean,
        variance=variance,
        above=np.full(n, 0.5),
        user_ratings=known,
        user_likes=known // 2,
        like_offset=np.zeros(n),
        width_offset=np.zeros(n),
    )
    return posterior, variance_columns(mean, variance, known, np.full(n, 10)), ratings


def test_newcomers_widths_hold_as_many_ratings_as_those_of_others() -> None:
    posterior, columns, ratings = ratings_of_newcomers_and_others()
    fitted = fit_variance_scale(posterior, columns, ratings, VALUES)
    corrected = posterior.variance * fitted.factors(columns)
    distribution = rating_distribution(posterior.mean, corrected, VALUES)
    sd = np.sqrt(distribution @ VALUES**2 - (distribution @ VALUES) ** 2)
    errors = np.abs(ratings - posterior.mean)
    for few in (True, False):
        group = (posterior.user_ratings < 20) == few
        assert (errors <= sd)[group].mean() == pytest.approx(0.683, abs=0.03)
        assert (errors <= 2 * sd)[group].mean() == pytest.approx(0.954, abs=0.02)


def test_without_a_fit_nothing_is_corrected() -> None:
    _, columns, _ = ratings_of_newcomers_and_others(10)
    assert (VarianceScale.none().factors(columns) == 1).all()
