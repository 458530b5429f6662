"""The mood's filter against a dense Gaussian process in double precision."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from reelstream.models import mood

NOISE, VARIANCE, RATE = 0.5, 0.3, 1 / 600
TIMES = np.array([0, 20, 20, 45, 700, 710, 90_000, 90_030])
RESIDUALS = np.array([0.5, 0.8, 0.2, 0.9, -0.4, -0.6, 0.1, 0.0], np.float32)
N = len(TIMES)
PROCESS = VARIANCE * np.exp(-RATE * np.abs(TIMES[:, None] - TIMES))


def decays() -> np.ndarray:
    out = np.empty(N)
    mood.fill_decays(0, N, TIMES, RATE, out)
    return out


def test_the_likelihood_is_that_of_the_gaussian_process() -> None:
    def dense(residuals: np.ndarray) -> float:
        return float(multivariate_normal(np.zeros(N), PROCESS + NOISE * np.eye(N)).logpdf(residuals))

    def filtered(residuals: np.ndarray) -> float:
        return mood.log_likelihood(0, N, decays(), residuals, NOISE, VARIANCE)

    other = RESIDUALS[::-1].copy()
    gained, expected = filtered(RESIDUALS) - filtered(other), dense(RESIDUALS) - dense(other)
    np.testing.assert_allclose(gained, expected, rtol=1e-6)


def test_many_ratings_do_not_overflow_the_product_of_innovations() -> None:
    n = 20_000
    residuals = np.zeros(n, np.float32)
    steps = np.ones(n)
    steps[0] = 0
    long = mood.log_likelihood(0, n, steps, residuals, 2.0, 0.1)
    # With one instant, the covariance is 2 I + 0.1 11': its log determinant is known.
    assert np.isclose(long, -0.5 * (n * np.log(2.0) + np.log1p(n * 0.1 / 2.0)), rtol=1e-9)


def test_draws_have_the_posterior_mean_and_covariance() -> None:
    cov = PROCESS - PROCESS @ np.linalg.solve(PROCESS + NOISE * np.eye(N), PROCESS)
    mean = PROCESS @ np.linalg.solve(PROCESS + NOISE * np.eye(N), RESIDUALS)
    rng = np.random.default_rng(0)
    drawn = np.empty((20_000, N), np.float32)
    for row in drawn:
        mood.draw_mood(0, N, decays(), RESIDUALS, NOISE, VARIANCE, rng.standard_normal(N), row, np.empty(N))
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.015)
    np.testing.assert_allclose(np.cov(drawn.T), cov, atol=0.015)
