"""The chain's steps for what all users have in common: mood, noise and their spread."""

from __future__ import annotations

import math

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from scipy.special import gammaln

from reelstream.compute import threads
from reelstream.engines.kernels import session_effect
from reelstream.engines.training_data import TrainingData
from reelstream.models.rating.model import Hyperparameters

NOISE_SHAPES = np.array([1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50])
"""The grid that nu is drawn from."""

VARIANCE_STEP, RATE_STEP = 0.15, 0.3
"""Standard deviations of the random walks on log q and log rate."""


MAX_SHAPE_RATINGS = 250_000
"""The mood's (q, rate) is learned from an even sample of the users, who gave about so many: they
settle it within a few per cent.
"""


class SessionShape:
    """The step of the mood's (q, rate): the users that it is learned from, and what they rated."""

    def __init__(self, data: TrainingData, chosen: NDArray[np.int64]) -> None:
        """`chosen`: rows of users."""
        self._data, self._chosen = data, chosen
        self._longest = int(np.diff(data.users.starts)[chosen].max())

    def draw(
        self,
        h: Hyperparameters,
        user_rows: NDArray[np.float32],
        item_rows: NDArray[np.float32],
        user_noise: NDArray[np.float64],
        session_scale: NDArray[np.float64],
        generator: np.random.Generator,
    ) -> Hyperparameters:
        """The hyperparameters with (q, rate) as they were, or a random step from there. The arrays
        are all users'.
        """
        data = self._data
        variance = h.session_variance * math.exp(VARIANCE_STEP * generator.standard_normal())
        rate = h.session_rate * math.exp(RATE_STEP * generator.standard_normal())
        gains = np.empty(len(self._chosen))
        threads.share(
            session_effect.log_ratios,
            self._longest,
            self._chosen,
            data.users.starts,
            data.users.others,
            data.centred,
            data.gaps,
            user_rows,
            item_rows,
            1 / (h.alpha * user_noise),
            session_scale,
            h.session_variance,
            h.session_rate,
            variance,
            rate,
            gains,
        )
        is_taken = math.log(generator.random()) < gains.sum()
        return structs.replace(h, session_variance=variance, session_rate=rate) if is_taken else h


# What follows draws a hyperparameter from a random number and a sum over users, so that who adds up
# in parts draws the same.


def precision(gamma: float, squares: float) -> float:
    """A precision given a sum of n squares; gamma: from Gamma(1 + n/2)."""
    return gamma / (1 + squares / 2)


def session_scale_sd(gamma: float, squares: float) -> float:
    """Standard deviation of log k_u given the `squared_logs` of n users; gamma: from Gamma(1 +
    n/2).
    """
    return 1 / math.sqrt(precision(gamma, squares))


def noise_shape(uniform: float, n_users: int, log_densities: float) -> float:
    """The shape nu on its grid, given the `log_density` of every lam_u; uniform: in (0, 1)."""
    a = NOISE_SHAPES / 2
    log_p = n_users * (a * np.log(a) - gammaln(a)) + a * log_densities
    p = np.exp(log_p - log_p.max()).cumsum()
    return float(NOISE_SHAPES[np.searchsorted(p / p[-1], uniform, side="right")])


def squared_logs(session_scale: NDArray[np.float64]) -> float:
    """Of every k_u (n_users,)."""
    return float((np.log(session_scale) ** 2).sum())


def log_density(user_noise: NDArray[np.float64]) -> float:
    """What nu is drawn from: of every lam_u (n_users,) its logarithm less itself."""
    return float((np.log(user_noise) - user_noise).sum())
