"""The Gibbs sampler of the rating model, on all cores of one machine.

One sweep, each step given the last result of the others:

1. (q, rate) of the mood by Metropolis, with every mood integrated out
2. every user's k_u, by Metropolis with the mood integrated out, and mood f_u
3. (G, L) of the users' prior, then every user row
4. every user's noise lam_u, its shape nu, and the precision alpha
5. (G, L) of the items' prior, then every item row

Steps 1 and 2 fall away where times do not count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numba import njit
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.compute.arrays import Floats, Ints
from reelstream.engines.chain import ChainStart
from reelstream.engines.hyperparameters import (
    MAX_SHAPE_RATINGS,
    SessionShape,
    log_density,
    noise_shape,
    precision,
    session_scale_sd,
    squared_logs,
)
from reelstream.engines.kernels import counter_rng, session_effect
from reelstream.engines.kernels.row_draws import draw_rows, fill_regressors
from reelstream.engines.kernels.row_prior import RowPrior
from reelstream.engines.training_data import Side, TrainingData


@dataclass(slots=True)
class Rows:
    """One side's rows in the chain."""

    draws: NDArray[np.float32]
    """(n, D)"""
    means: NDArray[np.float32]
    """(n, D): conditional means of the last draw, given the other side."""
    regressors: NDArray[np.float32]
    """(n, D + 1): what the other side's rows are drawn with."""
    squares: NDArray[np.float32]
    """(n,): sums of squared residuals, weighted by the other side, when they were drawn."""
    G: NDArray[np.float64]
    L: NDArray[np.float64]

    @classmethod
    def start(cls, draws: NDArray[np.float32], n_features: int) -> Rows:
        """Rows as they were left, or as they begin."""
        n, D = draws.shape
        regressors, squares = np.empty((n, D + 1), np.float32), np.empty(n, np.float32)
        return cls(draws, draws.copy(), regressors, squares, np.zeros((n_features, D)), np.eye(D))


class Sampler:
    """The chain: its state, and the step from one sweep to the next."""

    def __init__(
        self, data: TrainingData, item_features: NDArray[np.float64], start: ChainStart
    ) -> None:
        """A chain that goes on from `start`, whose arrays it changes."""
        self.data, self.seed, self.sweeps = data, start.seed, start.sweeps
        self.users = Rows.start(start.user_rows, 1)
        self.items = Rows.start(start.item_rows, item_features.shape[1])
        self.user_noise, self.session_scale, self.hyperparameters = (
            start.user_noise,
            start.session_scale,
            start.hyperparameters,
        )
        # A user's prior is an intercept: which genres a user rates adds nothing beside mood.
        self._user_prior = RowPrior(np.ones((len(data.users.ids), 1)))
        self._item_prior = RowPrior(item_features)
        self._longest = int(np.diff(data.users.starts).max())
        n_users, n = len(data.users.ids), len(data.centred)
        self._mood_shape = SessionShape(data, np.arange(0, n_users, n // MAX_SHAPE_RATINGS + 1))
        self._ones_u, self._ones_i = (
            np.ones(n_users, np.float32),
            np.ones(len(data.items.ids), np.float32),
        )
        self._by_user, self._by_item = data.centred.copy(), data.centred[data.by_item]
        self._no_covs = np.empty((0, *start.item_rows.shape[1:] * 2), np.float32)

    def sweep(self, item_covs: NDArray[np.float32] | None = None) -> None:
        """One sweep. `item_covs` (n_items, D, D) receives the items' conditional covariances."""
        data = self.data
        generator = np.random.default_rng([self.seed, self.sweeps])
        if self.hyperparameters.session_variance > 0:
            self.hyperparameters = self._mood_shape.draw(
                self.hyperparameters,
                self.users.draws,
                self.items.draws,
                self.user_noise,
                self.session_scale,
                generator,
            )
            self._draw_moods(generator)
        weight = (self.hyperparameters.alpha * self.user_noise).astype(np.float32)
        threads.share(fill_regressors, self.items.draws, self._ones_i, self.items.regressors)
        self._draw_side(
            data.users,
            self.users,
            self.items,
            self._user_prior,
            self._by_user,
            weight,
            counter_rng.USER_ROW,
            None,
            generator,
        )
        self._draw_noise(generator)
        weight = np.sqrt(self.hyperparameters.alpha * self.user_noise).astype(np.float32)
        threads.share(fill_regressors, self.users.draws, weight, self.users.regressors)
        self._draw_side(
            data.items,
            self.items,
            self.users,
            self._item_prior,
            self._by_item,
            self._ones_i,
            counter_rng.ITEM_ROW,
            item_covs,
            generator,
        )
        self.sweeps += 1

    def _draw_side(
        self,
        side: Side,
        rows: Rows,
        other: Rows,
        prior: RowPrior,
        targets: NDArray[np.float32],
        weight: NDArray[np.float32],
        purpose: np.uint64,
        covs: NDArray[np.float32] | None,
        generator: np.random.Generator,
    ) -> None:
        rows.G, rows.L = prior.draw(rows.draws, generator)
        threads.share(
            draw_rows,
            side.starts,
            side.others,
            targets,
            other.regressors,
            weight,
            rows.L.astype(np.float32),
            prior.terms(rows.G, rows.L),
            counter_rng.stream_of(self.seed, self.sweeps, purpose),
            side.ids,
            rows.draws,
            rows.means,
            self._no_covs if covs is None else covs,
            rows.squares,
        )

    def _draw_moods(self, generator: np.random.Generator) -> None:
        h, users = self.hyperparameters, self.data.users
        threads.share(
            session_effect.draw_session_effects,
            self._longest,
            users.starts,
            users.others,
            self.data.centred,
            self.data.gaps,
            self.users.draws,
            self.items.draws,
            1 / (h.alpha * self.user_noise),
            self.session_scale,
            h.session_scale_sd,
            h.session_variance,
            h.session_rate,
            counter_rng.stream_of(self.seed, self.sweeps, counter_rng.SESSION_SCALE),
            counter_rng.stream_of(self.seed, self.sweeps, counter_rng.SESSION),
            users.ids,
            self._by_user,
        )
        threads.share(take, self._by_user, self.data.by_item, self._by_item)
        gamma = generator.standard_gamma(1 + len(users.ids) / 2)
        self.hyperparameters = structs.replace(
            h, session_scale_sd=session_scale_sd(gamma, squared_logs(self.session_scale))
        )

    def _draw_noise(self, generator: np.random.Generator) -> None:
        h, users = self.hyperparameters, self.data.users
        squares = self.users.squares.astype(np.float64)
        stream = counter_rng.stream_of(self.seed, self.sweeps, counter_rng.USER_NOISE)
        draw_user_noise(
            users.starts, squares, h.alpha, h.noise_shape, stream, users.ids, self.user_noise
        )
        gamma, uniform = (
            generator.standard_gamma(1 + len(self.data.centred) / 2),
            generator.random(),
        )
        self.hyperparameters = structs.replace(
            h,
            alpha=precision(gamma, float((squares * self.user_noise).sum())),
            noise_shape=noise_shape(uniform, len(users.ids), log_density(self.user_noise)),
        )


@njit(cache=True, nogil=True)
def take(thread: int, threads: int, values: Floats, positions: Ints, taken: Floats) -> None:
    """Fill `taken` with values[positions]."""
    for j in range(thread * positions.size // threads, (thread + 1) * positions.size // threads):
        taken[j] = values[positions[j]]


@njit(cache=True, nogil=True)
def draw_user_noise(
    starts: Ints,
    squares: Floats,
    alpha: float,
    shape: float,
    stream: np.uint64,
    ids: Ints,
    user_noise: Floats,
) -> None:
    """Fill user_noise (n_users,): lam_u ~ Gamma((nu + n_u) / 2, rate (nu + alpha squares_u) /
    2).
    """
    for u in range(user_noise.size):
        n = starts[u + 1] - starts[u]
        drawn = counter_rng.gamma(counter_rng.key_of(stream, ids[u]), 0.5 * (shape + n))
        user_noise[u] = drawn * 2.0 / (shape + alpha * squares[u])
