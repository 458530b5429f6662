"""ItemQueries with ratings on both sides, against a dense Gaussian process in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_set import Fitted
from simulated_user import SimulatedUser

from events import event_columns
from reelstream.models.replay import posterior_of_events

# What looks ahead compiles for long, and only evaluation needs it.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("before", "after"), [(1, 1), (5, 40), (60, 60), (10, 0)])
def test_the_smoother_equals_a_dense_gaussian_process(before: int, after: int) -> None:
    for seed in range(30):
        user = SimulatedUser(seed, before, after)
        np.testing.assert_allclose(user.smoothed(), user.dense(), rtol=1e-3, atol=1e-3)


def test_without_later_ratings_looking_ahead_changes_nothing(fitted: Fitted) -> None:
    """The grid points are weighted nearly as in the filter, whose weights rest on what the user had
    chosen to rate until then; and films that the set has not learned are as uncertain.
    """
    user = fitted.history.of_user(int(fitted.history.user_ids[0]))
    asks = np.arange(len(user)) >= len(user) - 3
    asked = event_columns(user.user_id, user.item_id, user.rating, np.sort(user.timestamp))
    back = posterior_of_events(fitted.model_set, asked, asks, ~asks)
    both = posterior_of_events(fitted.model_set, asked, asks, ~asks, looks_ahead=True)
    np.testing.assert_allclose(both.mean, back.mean, rtol=1e-3)
    np.testing.assert_allclose(both.variance, back.variance, rtol=0.02)
    assert both.user_ratings.tolist() == back.user_ratings.tolist() == [len(user) - 3] * 3


def test_a_later_rating_of_the_same_evening_lifts_what_was_asked_before_it(fitted: Fitted) -> None:
    item = int(fitted.model_set.rating.item_ids[0])
    events = event_columns(
        [7] * 4, [item, item, item, item], [0.0, 5.0, 5.0, 5.0], [1000, 1010, 1020, 1030]
    )
    asks = np.array([True, False, False, False])
    back = posterior_of_events(fitted.model_set, events, asks, ~asks)
    both = posterior_of_events(fitted.model_set, events, asks, ~asks, looks_ahead=True)
    assert both.mean[0] > back.mean[0] + 0.1
