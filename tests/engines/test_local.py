"""The local engine: what a seed fixes, what the chain carries on, and how good it is on known
structure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from events import event_columns
from reelstream.catalog import Catalog
from reelstream.datasets import detect
from reelstream.engines.chain_start import ChainRows, start_chain
from reelstream.engines.interface import (
    FEW_RATINGS,
    MANY_RATINGS,
    FitContext,
    FitParameters,
)
from reelstream.engines.local import fit_models, fit_rating
from reelstream.errors import FitError
from reelstream.models.rating.model import RatingModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

QUICK = FitParameters(n_factors=4, sweeps=24, burn_in=12, n_draws=3, warm_sweeps=12, warm_burn_in=6)


@pytest.fixture(scope="module")
def history(small_dataset: Path) -> Histories:
    return Histories.of(detect(small_dataset).read_ratings())


@pytest.fixture(scope="module")
def catalog(small_dataset: Path) -> Catalog:
    return detect(small_dataset).read_catalog().catalog


def bits(model: RatingModel) -> list[bytes]:
    return [
        np.ascontiguousarray(getattr(part, field.name)).tobytes()
        for part in (model.draws, model.state)
        for field in fields(part)
    ]


def test_a_seed_gives_the_same_model_whatever_the_number_of_threads(
    history: Histories, catalog: Catalog, use_threads: Callable[[int], None]
) -> None:
    models = []
    for number in (1, 2, 3):
        use_threads(number)
        models.append(fit_rating(history.ratings, catalog, None, QUICK))
    assert bits(models[0]) == bits(models[1]) == bits(models[2])
    assert bits(models[0]) != bits(
        fit_rating(history.ratings, catalog, None, replace(QUICK, seed=1))
    )


@pytest.mark.slow
def test_a_seed_gives_the_same_model_whatever_the_number_of_threads_of_blas(
    catalog: Catalog,
) -> None:
    """A worker of Spark gives BLAS one thread, a process of its own one a core; sums over many
    films had two orders.
    """
    users, items = np.nonzero(np.random.default_rng(0).random((20, 20_000)) < 0.2)
    ratings = event_columns(
        users, items, (users + items * 7) % 10 / 2 + 0.5, users * 100_000 + items
    )
    models = []
    for number in (1, 2):
        with threadpool_limits(number, "blas"):
            models.append(fit_rating(ratings, catalog, None, replace(QUICK, n_factors=15)))
    assert bits(models[0]) == bits(models[1])


def test_a_chain_goes_on_from_the_previous_set_with_users_and_films_that_are_new(
    history: Histories, catalog: Catalog
) -> None:
    half = len(history.ratings) // 2
    first = fit_rating(history.ratings[:half], catalog, None, QUICK)
    second = fit_rating(history.ratings, catalog, first, QUICK)
    assert second.sweeps == QUICK.sweeps + QUICK.warm_sweeps
    assert len(second.item_ids) >= len(first.item_ids) and second.seed == first.seed
    assert len(second.state.user_ids) == len(history.user_ids)


def test_a_chain_goes_on_with_more_factors_than_the_set_before_had(
    history: Histories, catalog: Catalog
) -> None:
    """Those that it had are where it left them."""
    first = fit_rating(history.ratings, catalog, None, QUICK)
    users, items = (
        ChainRows(ids, np.arange(len(ids))) for ids in (history.user_ids, first.item_ids)
    )
    start = start_chain(users, items, len(history.ratings), first, replace(QUICK, n_factors=9))
    assert start.item_rows.shape[1] == start.users.rows.shape[1] == 10
    np.testing.assert_array_equal(start.item_rows[:, :5], first.state.item_rows)
    assert np.abs(start.item_rows[:, 5:]).min() > 0
    second = fit_rating(history.ratings, catalog, first, replace(QUICK, n_factors=9))
    assert second.draws.means.shape[2] == 10


def test_a_chain_never_loses_factors_of_the_set_before(
    history: Histories, catalog: Catalog
) -> None:
    first = fit_rating(history.ratings, catalog, None, QUICK)
    second = fit_rating(history.ratings, catalog, first, replace(QUICK, n_factors=2))
    assert second.draws.means.shape == first.draws.means.shape


def test_all_that_is_not_given_follows_the_size_of_the_data() -> None:
    sizes = ((1, 1), (FEW_RATINGS, 6_000), (MANY_RATINGS, 6_000), (MANY_RATINGS + 1, 200_000))
    sized = [FitParameters().for_size(*size) for size in sizes]
    assert [(each.n_factors, each.n_draws, each.n_audience) for each in sized] == [
        (23, 8, 30),
        (23, 8, 100),
        (23, 8, 100),
        (15, 4, 30),
    ]
    assert [(each.sweeps, each.burn_in) for each in sized] == [
        (304, 64),
        (160, 64),
        (160, 64),
        (80, 32),
    ]
    assert len({each.warm_sweeps for each in sized}) == 1
    given = {"n_factors": 7, "n_draws": 2, "sweeps": 90, "n_audience": 12}
    chosen = FitParameters(**given).for_size(FEW_RATINGS, 6_000)
    assert {name: getattr(chosen, name) for name in given} == given


def test_without_times_there_is_no_mood(history: Histories, catalog: Catalog) -> None:
    model = fit_rating(history.ratings, catalog, None, replace(QUICK, use_times=False))
    assert not model.draws.session_variance.any()


def test_the_film_means_are_as_good_as_many_draws(history: Histories, catalog: Catalog) -> None:
    """Covariances are symmetric and positive: they are what questions add for a film's own
    uncertainty."""
    covs = fit_rating(history.ratings, catalog, None, QUICK).draws.covs
    np.testing.assert_allclose(covs, np.swapaxes(covs, 2, 3), atol=1e-4)
    assert (np.linalg.eigvalsh(covs.astype(np.float64)) > 0).all()


def test_nothing_but_holdout_is_an_error_that_says_so(catalog: Catalog) -> None:
    with pytest.raises(FitError, match="wait for more"):
        context = FitContext(catalog=catalog, scale=RatingScale(), parameters=QUICK)
        fit_models(Histories.of(EventColumns.empty()), context)


def test_ratings_at_one_instant_do_no_harm(history: Histories, catalog: Catalog) -> None:
    """A data set whose times say nothing is fitted as well as one without times."""
    frozen = replace(history.ratings, timestamp=np.full(len(history.ratings), 10**9))
    model = fit_rating(frozen, catalog, None, QUICK)
    assert np.isfinite(model.draws.means).all() and np.isfinite(model.draws.session_variance).all()
