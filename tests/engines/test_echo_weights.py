"""A chain learns how strongly ratings echo the one before, and that they do not."""

from __future__ import annotations

import numpy as np
import pytest

from reelstream.catalog import Catalog
from reelstream.engines.interface import FitParameters
from reelstream.engines.local import fit_rating
from reelstream.models.rating.model import RatingModel
from reelstream.ratings.columns import EventColumns

N_USERS, N_ITEMS, N_RATINGS = 60, 80, 40


def fitted(weight: float, gap: int) -> RatingModel:
    """A model of users whose ratings come in pairs, the second `gap` seconds after the first with
    this weight of it.
    """
    rng = np.random.default_rng(0)
    user_bias, item_bias = rng.normal(0, 0.5, N_USERS), rng.normal(0, 0.5, N_ITEMS)
    items = np.array([rng.permutation(N_ITEMS)[:N_RATINGS] for _ in range(N_USERS)])
    ratings = 3.5 + user_bias[:, None] + item_bias[items] + rng.normal(0, 0.6, items.shape)
    ratings[:, 1::2] = (1 - weight) * ratings[:, 1::2] + weight * ratings[:, ::2]
    times = np.arange(N_RATINGS) // 2 * 86_400 + np.arange(N_RATINGS) % 2 * gap
    events = EventColumns.of(
        np.repeat(np.arange(N_USERS), N_RATINGS),
        items.ravel(),
        ratings.ravel(),
        np.tile(times, N_USERS),
    )
    parameters = FitParameters(n_factors=2, sweeps=60, burn_in=20, n_draws=8)
    return fit_rating(events.by_user(), Catalog([]), None, parameters)


@pytest.mark.parametrize(("weight", "gap", "place"), [(0.4, 2, 0), (0.3, 20, 3)])
def test_the_weight_of_a_gap_is_learned(weight: float, gap: int, place: int) -> None:
    echo = fitted(weight, gap).draws.echo
    assert echo[:, place].mean() == pytest.approx(weight, abs=0.08)
    others = np.delete(echo, place, axis=1)
    assert not others.any(), "nothing was seen of other gaps"


def test_where_nothing_echoes_the_weights_are_next_to_nothing() -> None:
    """Next to nothing of so few ratings: around a user's own mean one is low where another is
    high, so that they echo a little less than nothing.
    """
    assert abs(fitted(0.0, 2).draws.echo[:, 0].mean()) < 0.1


def test_after_a_minute_nothing_echoes() -> None:
    assert not fitted(0.4, 90).draws.echo.any()


def test_without_times_there_is_none() -> None:
    events = EventColumns.of([1, 1, 2, 2], [1, 2, 1, 2], [4.0, 2.0, 5.0, 1.0], [0, 1, 0, 1])
    parameters = FitParameters(sweeps=4, burn_in=0, n_draws=2, use_times=False)
    model = fit_rating(events, Catalog([]), None, parameters)
    assert not model.draws.echo.any()
