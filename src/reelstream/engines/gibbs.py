"""The Gibbs sampler of the rating model, on all cores of one machine.

One sweep, each step given the last result of the others:

1. (q, rate) of the mood by Metropolis, with every mood integrated out
2. every user's k_u, by Metropolis with the mood integrated out, and mood f_u
3. (G, L) of the users' prior, then every user row
4. (G, L) of the items' prior, then every item row
5. every user's noise lam_u, its shape nu, and the precision alpha

Steps 1 and 2 fall away where times do not count.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.special import gammaln

from reelstream.models import mood, noise
from reelstream.models.arrays import Floats, Ints
from reelstream.models.rating import Hyperparameters
from reelstream.models.row_posterior import draw_rows
from reelstream.models.row_prior import RowPrior

NOISE_SHAPES = np.array([1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50])
"""The grid that nu is drawn from."""

VARIANCE_STEP, RATE_STEP = 0.15, 0.3
"""Standard deviations of the random walks on log q and log rate."""


@dataclass(frozen=True, slots=True)
class Side:
    """The ratings of one side, grouped by row: n rows, N ratings."""

    ids: NDArray[np.int64]
    """(n,): external ids; they key the noise."""
    starts: NDArray[np.int64]
    """(n + 1,): where each row's ratings begin."""
    ratings: NDArray[np.int64]
    """(N,): positions in the order by user and time, in which targets are kept."""
    others: NDArray[np.int32]
    """(N,): rows of the other side."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Ratings as the sampler reads them: in order of user and time, and again grouped by item."""

    users: Side
    items: Side
    centred: NDArray[np.float32]
    """(N,): ratings less their mean, by user and time."""
    times: NDArray[np.int64]
    """(N,): seconds, by user and time."""
    mean: float

    @classmethod
    def of(
        cls,
        user_ids: NDArray[np.int64],
        user_rows: NDArray[np.int64],
        item_ids: NDArray[np.int64],
        item_rows: NDArray[np.int64],
        ratings: NDArray[np.float32],
        times: NDArray[np.int64],
    ) -> TrainingData:
        """From ratings sorted by user and time, each with its user's and item's row."""
        mean = float(ratings.mean(dtype=np.float64))
        by_item = np.argsort(item_rows, kind="stable")
        return cls(
            Side(user_ids, _starts(user_rows, len(user_ids)), np.arange(len(ratings)), item_rows.astype(np.int32)),
            Side(item_ids, _starts(item_rows, len(item_ids)), by_item, user_rows[by_item].astype(np.int32)),
            ratings - np.float32(mean),
            times,
            mean,
        )


@dataclass(slots=True)
class Rows:
    """One side's rows in the chain."""

    draws: NDArray[np.float32]
    """(n, D)"""
    means: NDArray[np.float32]
    """(n, D): conditional means of the last draw, given the other side."""
    G: NDArray[np.float64]
    L: NDArray[np.float64]

    @classmethod
    def start(cls, draws: NDArray[np.float32], n_features: int) -> Rows:
        """Rows as they were left, or as they begin."""
        D = draws.shape[1]
        return cls(draws, draws.copy(), np.zeros((n_features, D)), np.eye(D))


class Sampler:
    """The chain: its state, and the step from one sweep to the next."""

    def __init__(
        self,
        data: TrainingData,
        item_features: NDArray[np.float64],
        user_rows: NDArray[np.float32],
        item_rows: NDArray[np.float32],
        user_noise: NDArray[np.float64],
        mood_scale: NDArray[np.float64],
        hyperparameters: Hyperparameters,
        *,
        seed: int,
        sweeps: int,
    ) -> None:
        """A chain that goes on from the given state; `sweeps` counts those behind it, and keys the noise of the next."""
        self.data, self.seed, self.sweeps = data, seed, sweeps
        self.users = Rows.start(user_rows, 1)
        self.items = Rows.start(item_rows, item_features.shape[1])
        self.user_noise, self.mood_scale, self.hyperparameters = user_noise, mood_scale, hyperparameters
        # A user's prior is an intercept: which genres a user rates adds nothing beside mood.
        self._user_prior = RowPrior(np.ones((len(data.users.ids), 1)))
        self._item_prior = RowPrior(item_features)
        self._threads = numba.get_num_threads()
        self._longest = max(int(np.diff(side.starts).max()) for side in (data.users, data.items))
        self._targets = data.centred.copy()
        self._moods = np.zeros_like(data.centred)
        self._residuals = np.empty_like(data.centred)
        self._squares = np.empty(len(data.users.ids))
        self._refresh_residuals()

    def sweep(self, item_covs: NDArray[np.float32]) -> None:
        """One sweep. `item_covs` (n_items, D, D) receives the items' conditional covariances; with no rows, nothing."""
        generator = np.random.default_rng([self.seed, self.sweeps])
        if self.hyperparameters.mood_variance > 0:
            self._draw_mood_shape(generator)
            self._draw_moods(generator)
        ones_i = np.ones(len(self.data.items.ids), np.float32)
        weight = (self.hyperparameters.alpha * self.user_noise).astype(np.float32)
        no_covs = np.empty((0, *item_covs.shape[1:]), np.float32)
        self._draw_side(
            self.data.users,
            self.users,
            self.items,
            self._user_prior,
            weight,
            ones_i,
            noise.USER_ROW,
            no_covs,
            generator,
        )
        self._draw_side(
            self.data.items,
            self.items,
            self.users,
            self._item_prior,
            ones_i,
            np.sqrt(weight),
            noise.ITEM_ROW,
            item_covs,
            generator,
        )
        self._refresh_residuals()
        self._draw_noise(generator)
        self.sweeps += 1

    def _draw_side(
        self,
        side: Side,
        rows: Rows,
        other: Rows,
        prior: RowPrior,
        weight: NDArray[np.float32],
        other_root_weight: NDArray[np.float32],
        purpose: np.uint64,
        covs: NDArray[np.float32],
        generator: np.random.Generator,
    ) -> None:
        rows.G, rows.L = prior.draw(rows.draws, generator)
        draw_rows(
            self._threads,
            self._longest,
            side.starts,
            side.ratings,
            side.others,
            self._targets,
            other.draws,
            weight,
            other_root_weight,
            rows.L.astype(np.float32),
            prior.terms(rows.G, rows.L),
            noise.stream_of(self.seed, self.sweeps, purpose),
            side.ids,
            rows.draws,
            rows.means,
            covs,
        )

    def _draw_mood_shape(self, generator: np.random.Generator) -> None:
        now = self.hyperparameters
        proposed = replace(
            now,
            mood_variance=now.mood_variance * math.exp(VARIANCE_STEP * generator.standard_normal()),
            mood_rate=now.mood_rate * math.exp(RATE_STEP * generator.standard_normal()),
        )
        gain = self._mood_log_likelihood(proposed) - self._mood_log_likelihood(now)
        if math.log(generator.random()) < gain:
            self.hyperparameters = proposed

    def _mood_log_likelihood(self, h: Hyperparameters) -> float:
        users = self.data.users
        each = np.empty(len(users.ids))
        mood.log_likelihoods(
            self._threads,
            self._longest,
            users.starts,
            self.data.times,
            self._residuals,
            1 / (h.alpha * self.user_noise),
            self.mood_scale,
            h.mood_variance,
            h.mood_rate,
            each,
        )
        return float(each.sum())

    def _draw_moods(self, generator: np.random.Generator) -> None:
        h, users = self.hyperparameters, self.data.users
        mood.draw_moods(
            self._threads,
            self._longest,
            users.starts,
            self.data.times,
            self._residuals,
            1 / (h.alpha * self.user_noise),
            self.mood_scale,
            h.mood_scale_sd,
            h.mood_variance,
            h.mood_rate,
            noise.stream_of(self.seed, self.sweeps, noise.MOOD_SCALE),
            noise.stream_of(self.seed, self.sweeps, noise.MOOD),
            users.ids,
            self._moods,
        )
        np.subtract(self.data.centred, self._moods, out=self._targets)
        squares = float((np.log(self.mood_scale) ** 2).sum())
        precision = generator.gamma(1 + len(users.ids) / 2, 1 / (1 + squares / 2))
        self.hyperparameters = replace(h, mood_scale_sd=1 / math.sqrt(precision))

    def _refresh_residuals(self) -> None:
        users = self.data.users
        _residuals(
            self._threads,
            users.starts,
            users.others,
            self.data.centred,
            self._moods,
            self.users.draws,
            self.items.draws,
            self._residuals,
            self._squares,
        )

    def _draw_noise(self, generator: np.random.Generator) -> None:
        h, users = self.hyperparameters, self.data.users
        weighted = float((self._squares * self.user_noise).sum())
        alpha = generator.gamma(1 + len(self.data.centred) / 2, 1 / (1 + weighted / 2))
        _draw_user_noise(
            users.starts,
            self._squares,
            alpha,
            h.noise_shape,
            noise.stream_of(self.seed, self.sweeps, noise.USER_NOISE),
            users.ids,
            self.user_noise,
        )
        self.hyperparameters = replace(h, alpha=alpha, noise_shape=_draw_noise_shape(self.user_noise, generator))


def _draw_noise_shape(user_noise: NDArray[np.float64], generator: np.random.Generator) -> float:
    """Draw nu given every lam_u, on its grid."""
    a = NOISE_SHAPES / 2
    log_p = len(user_noise) * (a * np.log(a) - gammaln(a)) + a * float((np.log(user_noise) - user_noise).sum())
    p = np.exp(log_p - log_p.max())
    return float(generator.choice(NOISE_SHAPES, p=p / p.sum()))


def _starts(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def _residuals(
    threads: int,
    starts: Ints,
    items: Ints,
    centred: Floats,
    moods: Floats,
    user_rows: Floats,
    item_rows: Floats,
    residuals: Floats,
    squares: Floats,
) -> None:
    """Fill residuals (N,), mood still in them, and squares (n_users,): each user's sum of squares, mood taken off."""
    for thread in prange(threads):
        for u in range(thread, starts.size - 1, threads):
            total = 0.0
            for j in range(starts[u], starts[u + 1]):
                i = items[j]
                v = centred[j] - user_rows[u, 0] - item_rows[i, 0]
                for a in range(1, user_rows.shape[1]):
                    v -= user_rows[u, a] * item_rows[i, a]
                residuals[j] = v
                total += (v - moods[j]) ** 2
            squares[u] = total


@njit(cache=True, nogil=True)
def _draw_user_noise(
    starts: Ints, squares: Floats, alpha: float, shape: float, stream: np.uint64, ids: Ints, user_noise: Floats
) -> None:
    """Fill user_noise (n_users,): lam_u ~ Gamma((nu + n_u) / 2, rate (nu + alpha squares_u) / 2)."""
    for u in range(user_noise.size):
        n = starts[u + 1] - starts[u]
        drawn = noise.gamma(noise.key_of(stream, ids[u]), 0.5 * (shape + n))
        user_noise[u] = drawn * 2.0 / (shape + alpha * squares[u])
