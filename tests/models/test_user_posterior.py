"""The filter against a dense Gaussian process in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from reelstream.models.film_posterior import Questions, ask_films
from reelstream.models.user_posterior import Dynamics, Events, Films, Moments, UserState, filter_ratings

D, N_ITEMS = 6, 40
RATE, MOOD, NOISE, DRIFT = 1 / 500, 0.2, 0.6, 1e-7


class User:
    """A user of random taste and times, as the filter and as a dense Gaussian process see him or her."""

    def __init__(self, seed: int, n: int) -> None:
        rng = np.random.default_rng(seed)
        root = rng.standard_normal((D, D)) / 3
        self.prior_cov = root @ root.T + 0.05 * np.eye(D)
        self.prior_mean = 0.2 * rng.standard_normal(D)
        self.films = rng.standard_normal((1, N_ITEMS, D)).astype(np.float32) * 0.7
        film_root = rng.standard_normal((1, N_ITEMS, D, D)).astype(np.float32) * 0.1
        self.film_covs = film_root @ np.swapaxes(film_root, 2, 3)
        self.rows = rng.integers(0, N_ITEMS, n)
        self.times = np.cumsum(rng.choice([0, 5, 40, 3000, 2_000_000], n)) + 1000
        self.centred = rng.standard_normal(n)
        self.asked_row, self.asked_at = int(rng.integers(N_ITEMS)), int(self.times[-1] + rng.choice([0, 60, 10_000]))

    def filtered(self, order: np.ndarray | None = None) -> tuple[float, float]:
        """Mean and variance of the asked rating; the film asked about is known with `film_covs`."""
        order = np.arange(len(self.rows)) if order is None else order
        dynamics = Dynamics(
            np.array([[NOISE]]),
            np.array([[MOOD]]),
            np.array([RATE]),
            DRIFT * self.prior_cov[None],
            self.prior_mean[None],
            self.prior_cov[None],
        )
        state = UserState.prior(dynamics)
        films = Films(
            self.films, self.films, self.film_covs, np.empty((1, 0, D), np.float32), np.empty((1, D, D), np.float32)
        )
        n = len(order)
        ask = np.append(np.zeros(n, bool), True)
        events = Events(
            np.append(self.rows[order], self.asked_row),
            np.append(self.times[order], self.asked_at),
            np.append(self.centred[order], 0.0),
            ask,
            ~ask,
            ~ask,
        )
        moments = Moments.room_for(1, dynamics)
        filter_ratings(state.mean, state.cov, state.log_weight, -1, events, films, dynamics, moments)
        question = Questions(*(np.array([value]) for value in (0, self.asked_row, 0.0, False)))
        answers = np.empty((1, 3))
        ask_films(
            question, moments, self.films, self.film_covs, self.films[:, :0], self.film_covs[:, :0], 0.25, answers
        )
        return float(answers[0, 0]), float(answers[0, 1])

    def dense(self) -> tuple[float, float]:
        """The same, from the joint covariance of all ratings."""
        rows, times = np.append(self.rows, self.asked_row), np.append(self.times, self.asked_at)
        films = self.films[0, rows].astype(np.float64)
        h = np.column_stack([np.ones(len(rows)), films[:, 1:]])
        passed = np.minimum.outer(times, times) - times[0]
        cov = (h @ self.prior_cov @ h.T) * (1 + DRIFT * passed)
        cov += MOOD * np.exp(-RATE * np.abs(np.subtract.outer(times, times)))
        expected = films[:, 0] + h @ self.prior_mean
        seen = cov[:-1, :-1] + NOISE * np.eye(len(self.rows))
        gain = np.linalg.solve(seen, cov[:-1, -1])
        mean = expected[-1] + gain @ (self.centred - expected[:-1])
        variance = cov[-1, -1] - gain @ cov[:-1, -1] + NOISE
        return mean, variance + self.film_noise()

    def film_noise(self) -> float:
        """What the asked film's own uncertainty adds, from the posterior of the taste."""
        times = np.append(self.times, self.asked_at)
        films = self.films[0, self.rows].astype(np.float64)
        h = np.column_stack([np.ones(len(self.rows)), films[:, 1:]])
        since = times - times[0]
        seen = (h @ self.prior_cov @ h.T) * (1 + DRIFT * np.minimum.outer(since[:-1], since[:-1]))
        seen += MOOD * np.exp(-RATE * np.abs(np.subtract.outer(self.times, self.times))) + NOISE * np.eye(len(h))
        across = (self.prior_cov @ h.T) * (1 + DRIFT * since[:-1])
        expected = films[:, 0] + h @ self.prior_mean
        mean = self.prior_mean + across @ np.linalg.solve(seen, self.centred - expected)
        cov = self.prior_cov * (1 + DRIFT * since[-1]) - across @ np.linalg.solve(seen, across.T)
        x = np.concatenate([[1.0], mean[1:]])
        C = self.film_covs[0, self.asked_row].astype(np.float64)
        return float(x @ C @ x + (C[1:, 1:] * cov[1:, 1:]).sum())


@pytest.mark.parametrize("n", [1, 10, 120])
def test_the_filter_equals_a_dense_gaussian_process(n: int) -> None:
    for seed in range(30):
        user = User(seed, n)
        np.testing.assert_allclose(user.filtered(), user.dense(), rtol=1e-3, atol=1e-3)


def test_order_within_one_instant_does_not_matter() -> None:
    user = User(5, 60)
    user.times[:] = 10_000
    shuffled = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(user.filtered(shuffled), user.filtered(), rtol=1e-9)


def test_a_copy_learns_nothing_from_what_its_original_learns() -> None:
    dynamics = Dynamics(
        np.ones((2, 3)), np.zeros((2, 3)), np.ones(2), np.zeros((2, D, D)), np.zeros((2, D)), np.stack([np.eye(D)] * 2)
    )
    state = UserState.prior(dynamics)
    other = state.copy()
    state.mean += 1
    state.cov += 1
    state.log_weight += 1
    assert not other.mean.any() and not other.log_weight.any() and other.cov[0, 0, 0, 1] == 0


def test_a_grid_point_without_weight_is_dropped_and_stays_dropped() -> None:
    """A user whose ratings leave no doubt about the noise costs less than one of whom nothing is known."""
    rng = np.random.default_rng(0)
    noise = np.array([[0.02, 20.0]])
    dynamics = Dynamics(
        noise, np.zeros((1, 2)), np.ones(1), np.zeros((1, D, D)), np.zeros((1, D)), 0.01 * np.eye(D)[None]
    )
    state = UserState.prior(dynamics)
    n = 200
    film_rows = rng.standard_normal((1, 5, D)).astype(np.float32)
    films = Films(
        film_rows,
        film_rows,
        np.zeros((1, 5, D, D), np.float32),
        np.empty((1, 0, D), np.float32),
        np.zeros((1, D, D), np.float32),
    )
    rows = rng.integers(0, 5, n)
    learns = np.ones(n, bool)
    centred = film_rows[0, rows, 0] + 0.1 * rng.standard_normal(n)
    events = Events(rows, np.zeros(n, np.int64), centred, ~learns, learns, learns)
    nothing = Moments.room_for(0, dynamics)
    filter_ratings(state.mean, state.cov, state.log_weight, -1, events, films, dynamics, nothing)
    assert np.isfinite(state.log_weight[0, 0]) and state.log_weight[0, 1] == -np.inf
