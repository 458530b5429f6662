"""The chain before its first sweep, and what is kept of it; however its sweeps are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reelstream.engines.interface import FitParameters
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.rating.model import Hyperparameters, ItemDraws, RatingModel

START_SD = 0.3
"""Standard deviation of the rows of a cold chain."""
START_SESSION_VARIANCE, START_SESSION_RATE = 0.06, 0.1 / 60
"""Where the mood of a cold chain starts: a quarter of a star, ten minutes."""


@dataclass(frozen=True, slots=True)
class ChainStart:
    """Where a chain begins, or goes on: U users, I items, D numbers a row."""

    user_rows: NDArray[np.float32]
    """(U, D)"""
    item_rows: NDArray[np.float32]
    """(I, D)"""
    user_noise: NDArray[np.float64]
    """(U,): lam_u."""
    session_scale: NDArray[np.float64]
    """(U,): k_u."""
    hyperparameters: Hyperparameters
    seed: int
    sweeps: int
    """Sweeps behind it; they key the noise of the next."""


class Prior(Protocol):
    """What a chain knows of the prior of its users' rows."""

    G: NDArray[np.float64]
    L: NDArray[np.float64]


class ItemRows(Prior, Protocol):
    """And of its items, with the rows."""

    draws: NDArray[np.float32]
    means: NDArray[np.float32]


class Chain(Protocol):
    """What makes sweeps: the sampler here, or one that has its blocks elsewhere."""

    hyperparameters: Hyperparameters

    @property
    def users(self) -> Prior:
        """Of the last sweep."""

    @property
    def items(self) -> ItemRows:
        """Of the last sweep."""

    def sweep(self, item_covs: NDArray[np.float32] | None = None) -> None:
        """One sweep. `item_covs` (I, D, D) receives the items' conditional covariances."""


def start_chain(
    user_ids: NDArray[np.int64],
    item_ids: NDArray[np.int64],
    n_ratings: int,
    previous: RatingModel | None,
    parameters: FitParameters,
) -> ChainStart:
    """The chain before its first sweep; rows that `previous` does not know, and factors that it had
    not, begin at random.
    """
    seed, sweeps = (previous.seed, previous.sweeps) if previous else (parameters.seed, 0)
    generator = np.random.default_rng([seed, sweeps, n_ratings])
    D = parameters.n_factors + 1
    if previous:
        D = max(D, previous.state.item_rows.shape[1])
    user_rows, item_rows = (
        (generator.standard_normal((len(ids), D)) * START_SD).astype(np.float32)
        for ids in (user_ids, item_ids)
    )
    user_noise, session_scale = np.ones(len(user_ids)), np.ones(len(user_ids))
    hyperparameters = Hyperparameters(
        1.5, 10.0, START_SESSION_VARIANCE if parameters.use_times else 0.0, START_SESSION_RATE, 1.0
    )
    if previous:
        state = previous.state
        known, at = _known(state.user_ids, user_ids)
        factors = state.item_rows.shape[1]
        user_rows[known, :factors] = state.user_rows[at]
        user_noise[known], session_scale[known] = state.user_noise[at], state.session_scale[at]
        known, at = _known(previous.item_ids, item_ids)
        item_rows[known, :factors] = state.item_rows[at]
        hyperparameters = previous.hyperparameters
    return ChainStart(
        user_rows, item_rows, user_noise, session_scale, hyperparameters, seed, sweeps
    )


def _known(
    old_ids: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which of `ids` are among `old_ids`, and where there."""
    at = Vocabulary(old_ids).rows(ids)
    known = at >= 0
    return known, at[known]


def run_chain(chain: Chain, parameters: FitParameters, *, is_warm: bool) -> ItemDraws:
    """Run the chain and keep its draws, evenly spread behind the burn-in."""
    sweeps = parameters.warm_sweeps if is_warm else parameters.sweeps
    burn_in = parameters.warm_burn_in if is_warm else parameters.burn_in
    n_draws = parameters.n_draws
    n_items, D = chain.items.draws.shape
    kept: list[dict[str, Any]] = []
    spacing = max((sweeps - burn_in) // n_draws, 1)
    for sweep in range(1, sweeps + 1):
        keeps = sweep > burn_in and (sweeps - sweep) % spacing == 0 and len(kept) < n_draws
        covs = np.empty((n_items, D, D), np.float32) if keeps else None
        drawn = chain.items.draws.copy() if keeps else None
        chain.sweep(covs)
        if keeps:
            h = chain.hyperparameters
            kept.append(
                {
                    "drawn": drawn,
                    "means": chain.items.means.copy(),
                    "covs": covs,
                    "item_weights": chain.items.G,
                    "item_precision": chain.items.L,
                    "user_mean": chain.users.G[0],
                    "user_precision": chain.users.L,
                    "alpha": h.alpha,
                    "session_variance": h.session_variance,
                    "session_rate": h.session_rate,
                }
            )
    return ItemDraws(**{name: np.stack([draw[name] for draw in kept]) for name in kept[0]})
