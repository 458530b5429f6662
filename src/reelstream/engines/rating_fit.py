"""The fit of a rating model: a chain over any back end, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Catalog
from reelstream.engines.chain import Chain, ItemSide
from reelstream.engines.chain_start import ChainRows, start_chain
from reelstream.engines.interface import FitParameters
from reelstream.engines.sweep import Backend
from reelstream.features.audience import exposure_vectors
from reelstream.features.item_features import ItemFeatures
from reelstream.models.rating.model import ChainState, ItemDraws, RatingModel


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingTotals:
    """What has to be known of all ratings together before a chain starts: U users, I items."""

    users: ChainRows
    items: ChainRows
    item_ratings: NDArray[np.int64]
    """(I,): ratings of each item."""
    mean: float
    """Of all ratings."""
    audience: NDArray[np.float64]
    """(I, n_audience): see `audience_features`."""

    @property
    def n_ratings(self) -> int:
        """Ratings in all."""
        return int(self.item_ratings.sum())


def fit_rating_model(
    backend: Backend,
    totals: RatingTotals,
    catalog: Catalog,
    previous: RatingModel | None,
    parameters: FitParameters,
) -> RatingModel:
    """The rating model of the ratings that `backend` has: cold, or warm-started from `previous`.

    `parameters` are already chosen for the size of the data.
    """
    encoder = previous.features if previous else ItemFeatures(catalog.genres)
    films = [catalog.get(item) for item in totals.items.ids.tolist()]
    features = encoder.encode(films, totals.item_ratings, totals.audience)
    start = start_chain(totals.users, totals.items, totals.n_ratings, previous, parameters)
    items = ItemSide(
        keys=totals.items.keys,
        features=features,
        groups=encoder.groups(totals.audience.shape[1]),
        vectors=exposure_vectors(totals.audience, totals.item_ratings, len(totals.users)),
    )
    chain = Chain(backend, start, items, totals.n_ratings)
    draws = run_chain(chain, items.vectors, parameters, is_warm=previous is not None)
    users = chain.users()
    return RatingModel(
        mean=totals.mean,
        item_ids=totals.items.ids,
        item_counts=totals.item_ratings,
        draws=draws,
        features=encoder,
        hyperparameters=chain.hyperparameters,
        state=ChainState(
            user_ids=totals.users.ids,
            user_rows=users.rows,
            user_noise=users.noise,
            session_scale=users.scale,
            prior_weight=users.prior_weight,
            item_rows=chain.items.draws,
        ),
        sweeps=chain.sweeps,
        seed=chain.seed,
    )


def run_chain(
    chain: Chain, vectors: NDArray[np.float64], parameters: FitParameters, *, is_warm: bool
) -> ItemDraws:
    """Run the chain and keep draws of it, evenly spread over the sweeps after the burn-in.

    vectors (I, n_columns): see `exposure_vectors`.
    """
    sweeps = parameters.warm_sweeps if is_warm else parameters.sweeps
    burn_in = parameters.warm_burn_in if is_warm else parameters.burn_in
    spacing = max((sweeps - burn_in) // parameters.n_draws, 1)
    # Filled in place: most of a model are covariances, and to stack them would copy them once more.
    kept: dict[str, NDArray[Any]] = {}
    n_kept = 0
    for sweep in range(1, sweeps + 1):
        keeps = sweep > burn_in and (sweeps - sweep) % spacing == 0 and n_kept < parameters.n_draws
        # A sweep draws the users given the items before it; a draw holds those with the users.
        item_rows = chain.items.draws
        chain.sweep(wants_covs=keeps)
        if keeps:
            for name, value in _draw_of(chain, item_rows, vectors).items():
                array = np.asarray(value)
                if name not in kept:
                    kept[name] = np.empty((parameters.n_draws, *array.shape), array.dtype)
                kept[name][n_kept] = array
            n_kept += 1
    return ItemDraws(**{name: array[:n_kept] for name, array in kept.items()})


def _draw_of(
    chain: Chain, item_rows: NDArray[np.float32], vectors: NDArray[np.float64]
) -> dict[str, Any]:
    """The last sweep as one of `ItemDraws`; item_rows (I, D): the items before it."""
    hyperparameters = chain.hyperparameters
    return {
        "drawn": item_rows,
        "means": chain.items.means,
        "covs": chain.items.covs,
        "item_weights": chain.item_prior.G,
        "item_precision": chain.item_prior.L,
        "user_mean": chain.user_prior.G[0],
        "exposure": (vectors @ chain.user_prior.G[1:]).astype(np.float32),
        "user_precision": chain.user_prior.L,
        "alpha": hyperparameters.alpha,
        "session_variance": hyperparameters.session_variance,
        "session_rate": hyperparameters.session_rate,
        "echo": np.array(hyperparameters.echo),
    }
