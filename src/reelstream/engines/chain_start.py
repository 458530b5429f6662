"""Where a chain begins: at random, or warm, from the state that the previous model's chain was left
in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.engines.interface import FitParameters
from reelstream.engines.user_draws import UserDraws
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.rating.model import Hyperparameters, RatingModel

# Standard deviation of the rows of a cold chain.
START_SD = 0.3
# Where the session effect of a cold chain starts: a quarter of a star, ten minutes.
START_SESSION_VARIANCE, START_SESSION_RATE = 0.06, 0.1 / 60


@dataclass(frozen=True, slots=True)
class ChainRows:
    """The users of a chain, or its items: n rows."""

    ids: NDArray[np.int64]
    """(n,), rising."""
    keys: NDArray[np.int64]
    """(n,): see `Side.keys`."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStart:
    """A chain before its first sweep: U users, I items, D numbers a row."""

    users: UserDraws
    users_by_key: NDArray[np.int64]
    """(U,): their rows, in the order of their keys."""
    item_rows: NDArray[np.float32]
    """(I, D)"""
    hyperparameters: Hyperparameters
    seed: int
    sweeps: int
    """Sweeps made before, by the chains it is warm-started from; they key the noise of the next."""


def start_chain(
    users: ChainRows,
    items: ChainRows,
    n_ratings: int,
    previous: RatingModel | None,
    parameters: FitParameters,
) -> ChainStart:
    """A chain of these users and items; rows and factors that `previous` lacks begin at random."""
    seed, sweeps = (previous.seed, previous.sweeps) if previous else (parameters.seed, 0)
    # The first sweep's generator has the key [seed, sweeps]: with that alone, the start and the
    # sweep would use the same numbers.
    generator = np.random.default_rng([seed, sweeps, n_ratings])
    D = parameters.n_factors + 1
    if previous:
        D = max(D, previous.state.item_rows.shape[1])
    by_key = [np.argsort(side.keys) for side in (users, items)]
    user_rows, item_rows = (_random_rows(generator, order, D) for order in by_key)
    draws = UserDraws.start(user_rows)
    if previous is None:
        hyperparameters = _cold_hyperparameters(use_times=parameters.use_times)
    else:
        _copy_known(previous, users.ids, draws, items.ids, item_rows)
        hyperparameters = previous.hyperparameters
    return ChainStart(
        users=draws,
        users_by_key=by_key[0],
        item_rows=item_rows,
        hyperparameters=hyperparameters,
        seed=seed,
        sweeps=sweeps,
    )


def _random_rows(
    generator: np.random.Generator, by_key: NDArray[np.int64], D: int
) -> NDArray[np.float32]:
    """Rows (n, D), drawn in the order `by_key` (n,)."""
    rows = np.empty((len(by_key), D), np.float32)
    rows[by_key] = generator.standard_normal(rows.shape) * START_SD
    return rows


def _cold_hyperparameters(*, use_times: bool) -> Hyperparameters:
    return Hyperparameters(
        alpha=1.5,
        noise_shape=10.0,
        session_variance=START_SESSION_VARIANCE if use_times else 0.0,
        session_rate=START_SESSION_RATE,
        session_scale_sd=1.0,
        prior_shape=10.0,
    )


def _copy_known(
    previous: RatingModel,
    user_ids: NDArray[np.int64],
    users: UserDraws,
    item_ids: NDArray[np.int64],
    item_rows: NDArray[np.float32],
) -> None:
    """Write into `users` and `item_rows` what the previous chain left of those that it had."""
    state = previous.state
    factors = state.item_rows.shape[1]
    known, at = _known(state.user_ids, user_ids)
    users.rows[known, :factors] = state.user_rows[at]
    users.noise[known], users.scale[known] = state.user_noise[at], state.session_scale[at]
    users.prior_weight[known] = state.prior_weight[at]
    known, at = _known(previous.item_ids, item_ids)
    item_rows[known, :factors] = state.item_rows[at]


def _known(
    old_ids: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which of `ids` are among `old_ids`, and where there."""
    at = Vocabulary(old_ids).rows(ids)
    known = at >= 0
    return known, at[known]
