"""The filter against a dense Gaussian process in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_user import D, SimulatedUser

from reelstream.models.rating.user_filter import (
    Dynamics,
    Events,
    Films,
    UserBeliefs,
    UserState,
    filter_ratings,
)


@pytest.mark.parametrize("n", [1, 10, 120])
def test_the_filter_equals_a_dense_gaussian_process(n: int) -> None:
    for seed in range(70):
        user = SimulatedUser(seed, n)
        np.testing.assert_allclose(user.filtered(), user.dense(), rtol=1e-3, atol=1e-3)


def test_order_within_one_instant_does_not_matter() -> None:
    user = SimulatedUser(5, 60)
    user.times[:] = 10_000
    shuffled = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(user.filtered(shuffled), user.filtered(), rtol=1e-9)


def test_a_copy_learns_nothing_from_what_its_original_learns() -> None:
    dynamics = Dynamics(
        np.ones((2, 3)),
        np.zeros((2, 3)),
        np.ones(2),
        np.zeros((2, D, D)),
        np.zeros((2, D)),
        np.stack([np.eye(D)] * 2),
    )
    state = UserState.prior(dynamics)
    other = state.copy()
    state.mean += 1
    state.cov += 1
    state.log_weight += 1
    assert not other.mean.any() and not other.log_weight.any() and other.cov[0, 0, 0, 1] == 0


def test_a_grid_point_without_weight_is_dropped_and_stays_dropped() -> None:
    """A user whose ratings leave no doubt about the noise costs less than one of whom nothing is
    known.
    """
    rng = np.random.default_rng(0)
    noise = np.array([[0.02, 20.0]])
    dynamics = Dynamics(
        noise,
        np.zeros((1, 2)),
        np.ones(1),
        np.zeros((1, D, D)),
        np.zeros((1, D)),
        0.01 * np.eye(D)[None],
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
    nothing = UserBeliefs.room_for(0, dynamics)
    filter_ratings(state.mean, state.cov, state.log_weight, -1, events, films, dynamics, nothing)
    assert np.isfinite(state.log_weight[0, 0]) and state.log_weight[0, 1] == -np.inf
