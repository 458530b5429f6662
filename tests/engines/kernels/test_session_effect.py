"""The session effect's filter against a dense Gaussian process in double precision."""

from __future__ import annotations

import numpy as np
from scipy.stats import multivariate_normal

from reelstream.engines.kernels import session_effect

NOISE, VARIANCE, RATE = 0.5, 0.3, 1 / 600
TIMES = np.array([0, 20, 20, 45, 700, 710, 90_000, 90_030])
RESIDUALS = np.array([0.5, 0.8, 0.2, 0.9, -0.4, -0.6, 0.1, 0.0], np.float32)
N = len(TIMES)


def process(variance: float = VARIANCE, rate: float = RATE) -> np.ndarray:
    return np.asarray(variance * np.exp(-rate * np.abs(TIMES[:, None] - TIMES)))


def decays(rate: float = RATE) -> np.ndarray:
    gaps = np.diff(TIMES, prepend=0).astype(np.float32)
    gaps[0] = np.inf
    out = np.empty(N, np.float32)
    session_effect.fill_decays(0, N, gaps, rate, out)
    return out


def test_the_likelihoods_are_those_of_two_gaussian_processes() -> None:
    def dense(variance: float, rate: float) -> float:
        cov = process(variance, rate) + NOISE * np.eye(N)
        return float(multivariate_normal(np.zeros(N), cov).logpdf(RESIDUALS))

    for other_variance, other_rate in ((0.9, RATE), (VARIANCE, 1 / 5000), (0.01, 1 / 30)):
        gained = session_effect.log_ratio(
            RESIDUALS, NOISE, decays(), VARIANCE, decays(other_rate), other_variance
        )
        np.testing.assert_allclose(
            gained, dense(other_variance, other_rate) - dense(VARIANCE, RATE), atol=1e-5
        )


def test_many_ratings_do_not_overflow_the_product_of_innovations() -> None:
    n = 200_000
    steps = np.ones(n, np.float32)
    steps[0] = 0
    gained = session_effect.log_ratio(np.zeros(n, np.float32), 2.0, steps * 0, 0.1, steps, 0.1)
    # Without correlation the covariance is 2.1 I; with one instant, it is 2 I + 0.1 11': both
    # determinants are known.
    alone, together = n * np.log(2.1), n * np.log(2.0) + np.log1p(n * 0.1 / 2.0)
    assert np.isclose(gained, (alone - together) / 2, rtol=1e-6)


def test_draws_have_the_posterior_mean_and_covariance() -> None:
    prior = process()
    cov = prior - prior @ np.linalg.solve(prior + NOISE * np.eye(N), prior)
    mean = prior @ np.linalg.solve(prior + NOISE * np.eye(N), RESIDUALS)
    rng = np.random.default_rng(0)
    drawn = np.empty((20_000, N), np.float32)
    for row in drawn:
        normals = rng.standard_normal(N).astype(np.float32)
        scratch = session_effect.SessionScratch(normals, np.empty(N, np.float32), row)
        session_effect.draw_session_effect(RESIDUALS, decays(), NOISE, VARIANCE, scratch)
    np.testing.assert_allclose(drawn.mean(0), mean, atol=0.015)
    np.testing.assert_allclose(np.cov(drawn.T), cov, atol=0.015)
