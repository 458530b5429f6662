"""The filter against a dense Gaussian process in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_set import Fitted
from simulated_user import D, SimulatedUser

from reelstream.models.rating.echo import N_GAPS
from reelstream.models.rating.filter_input import FilterEvents, FilterItems
from reelstream.models.rating.user_filter import filter_events
from reelstream.models.rating.user_state import Dynamics, UserBeliefs, UserState
from reelstream.ratings.columns import EventColumns


@pytest.mark.parametrize("n", [1, 10, 120])
def test_the_filter_equals_a_dense_gaussian_process(n: int) -> None:
    for seed in range(70):
        user = SimulatedUser(seed, n)
        np.testing.assert_allclose(user.filtered(), user.dense(), rtol=1e-3, atol=1e-3)


def test_order_within_one_instant_does_not_matter() -> None:
    user = SimulatedUser(5, 60)
    user.times[:], user.walk = 10_000, 0.0
    shuffled = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(user.filtered(shuffled), user.filtered(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seconds", [-300_000, 0, 1, 20, 86_400, 170_000_000])
def test_time_passes_for_a_query_as_it_does_between_two_events(
    fitted: Fitted, seconds: int
) -> None:
    """Filtering a query after the last update gives the same belief, to the bit; and a query leaves
    the state as it was.
    """
    model_set, query = fitted.model_set, np.ones(1, bool)
    for user in [*fitted.history.user_ids[:20].tolist(), 10**6]:
        history = fitted.history.of_user(user)
        state, filtered = model_set.fold_in(history), model_set.fold_in(history)
        last = -1 if state.last is None else state.last
        at = EventColumns.of([user], model_set.rating.item_ids[:1], [0.0], [last + seconds])
        expected = UserBeliefs.allocate(1, model_set.dynamics)
        items, rows = model_set.filter_items(at.item_id)
        events = model_set.filter_events(at, rows, query, ~query)
        filter_events(filtered.arrays, last, events, items, model_set.dynamics, expected)
        belief = model_set.belief_at(state, int(at.timestamp[0]))
        for one, other in zip(belief, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        for kept, folded in zip(state.arrays, model_set.fold_in(history).arrays, strict=True):
            np.testing.assert_array_equal(kept, folded)


def test_a_grid_point_without_weight_is_dropped_and_stays_dropped() -> None:
    """A user whose ratings leave no doubt about the noise costs less than one of whom nothing is
    known.
    """
    rng = np.random.default_rng(0)
    dynamics = Dynamics(
        noise=np.array([[0.02, 20.0]], np.float32),
        session_variance=np.zeros((1, 2), np.float32),
        session_rate=np.ones(1),
        drift=np.zeros((1, D, D), np.float32),
        walk=np.zeros((1, D + 1, D + 1), np.float32),
        prior_mean=np.zeros((1, D), np.float32),
        prior_cov=0.01 * np.eye(D, dtype=np.float32)[None],
        prior_spread=np.ones(2, np.float32),
        echo=np.zeros((1, N_GAPS), np.float32),
    )
    state = UserState.prior(dynamics)
    n = 200
    item_rows = rng.standard_normal((1, 5, D)).astype(np.float32)
    items = FilterItems(
        drawn=item_rows,
        means=item_rows,
        covs=np.zeros((1, 5, D, D), np.float32),
        exposure=np.zeros((1, 5, D), np.float32),
        unrated_means=np.empty((1, 0, D), np.float32),
        unrated_cov=np.zeros((1, D, D), np.float32),
    )
    rows = rng.integers(0, 5, n)
    every = np.ones(n, bool)
    events = FilterEvents(
        rows=rows,
        times=np.zeros(n, np.int64),
        centred=item_rows[0, rows, 0] + 0.1 * rng.standard_normal(n),
        is_query=~every,
        is_update=every,
        is_trained_on=every,
    )
    no_beliefs = UserBeliefs.allocate(0, dynamics)
    filter_events(state.arrays, -1, events, items, dynamics, no_beliefs)
    assert np.isfinite(state.log_weight[0, 0]) and state.log_weight[0, 1] == -np.inf
