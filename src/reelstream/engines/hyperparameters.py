"""The chain's steps for what all users have in common: session effect, echo, noise and their
spread.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import structs
from numpy.typing import NDArray
from scipy.special import gammaln

from reelstream.compute import threads
from reelstream.engines.kernels.counter_rng import RowKeys
from reelstream.engines.kernels.echo import fill_echo_sums, fill_leisure
from reelstream.engines.kernels.session_effect import (
    SessionProcess,
    SessionUsers,
    TimedRatings,
    log_ratios,
)
from reelstream.engines.training_data import TrainingData
from reelstream.engines.user_draws import UserDraws
from reelstream.models.rating.echo import N_GAPS
from reelstream.models.rating.model import Hyperparameters

# The grid that a shape nu is drawn from.
SCALE_SHAPES = np.array([1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 50])

# Standard deviations of the random walks on log q and log rate.
VARIANCE_STEP, RATE_STEP = 0.15, 0.3

# Standard deviation of an echo's weight before any rating, and how large it may become.
ECHO_SD, MAX_ECHO = 0.1, 0.5

# (q, rate) and the echo are learned from an even sample of the users, who gave about so many
# ratings: they determine both within a few per cent.
MAX_SHAPE_RATINGS = 250_000


class SampledSteps:
    """The steps that take a sample of the users: (q, rate) of the session effect, and the echo."""

    def __init__(self, data: TrainingData) -> None:
        """`data`: what the sampled users rated, n of them."""
        self._ratings, self._user_keys = data.timed_ratings(), data.users.keys
        self._leisure = EchoFree(self._ratings)

    def draw_session(
        self,
        h: Hyperparameters,
        users: UserDraws,
        item_rows: NDArray[np.float32],
        generator: np.random.Generator,
    ) -> Hyperparameters:
        """The hyperparameters with (q, rate) as they were, or a random step from there.

        users: the sampled ones; item_rows (I, D): all.
        """
        variance = h.session_variance * math.exp(VARIANCE_STEP * generator.standard_normal())
        rate = h.session_rate * math.exp(RATE_STEP * generator.standard_normal())
        gains = np.empty(len(self._user_keys))
        threads.share(
            log_ratios,
            self._leisure.ratings(h.echo),
            session_users(h, users, item_rows),
            SessionProcess(h.session_variance, h.session_rate, h.session_scale_sd),
            SessionProcess(variance, rate, h.session_scale_sd),
            gains,
        )
        # The likelihood alone decides: the steps are symmetric in the logarithms of q and rate, and
        # the prior is flat in them.
        if math.log(generator.random()) < gains.sum():
            return structs.replace(h, session_variance=variance, session_rate=rate)
        return h

    def with_echo(
        self,
        h: Hyperparameters,
        users: UserDraws,
        item_rows: NDArray[np.float32],
        stream: np.uint64,
    ) -> Hyperparameters:
        """The hyperparameters with new weights of the echo: the posterior means of one regression
        for each range of gaps, given rows and session effects, of which `stream` keys a draw.
        """
        sums = np.empty((len(self._user_keys), N_GAPS, 2))
        threads.share(
            fill_echo_sums,
            self._ratings,
            self._leisure.ratings(h.echo),
            session_users(h, users, item_rows),
            (
                SessionProcess(h.session_variance, h.session_rate, h.session_scale_sd),
                RowKeys(stream, self._user_keys),
            ),
            sums,
        )
        squares, products = sums.sum(0).T
        # Means, not draws: ratings by the hundred leave no doubt, and of a gap that nobody has left
        # between two ratings a draw would be noise.
        weights = np.clip(products / (squares + 1 / ECHO_SD**2), -MAX_ECHO, MAX_ECHO)
        return structs.replace(h, echo=tuple(weights.tolist()))


class EchoFree:
    """N ratings without their echoes, computed anew when the weights have changed."""

    def __init__(self, ratings: TimedRatings) -> None:
        self._given = self._leisure = ratings
        self._weights = (0.0,) * N_GAPS

    def ratings(self, weights: tuple[float, ...]) -> TimedRatings:
        """The ratings at these weights; they may be the given ones, and must not be changed."""
        if weights != self._weights:
            self._weights = weights
            if self._leisure is self._given:
                leisure = np.empty_like(self._given.centred)
                self._leisure = self._given._replace(centred=leisure)
            arguments = self._given, np.array(weights), self._leisure.centred
            threads.share(fill_leisure, *arguments)
        return self._leisure


def session_users(
    h: Hyperparameters, users: UserDraws, item_rows: NDArray[np.float32]
) -> SessionUsers:
    """Users and all items (I, D) as the session effect's kernels read them."""
    return SessionUsers(users.rows, item_rows, 1 / (h.alpha * users.noise), users.scale)


# What follows draws a hyperparameter from a random number and a sum over users, so that who adds up
# in parts draws the same.


def precision(gamma: float, squares: float) -> float:
    """A precision with prior Gamma(1, 1), given a sum of n squares; gamma: from Gamma(1 + n/2)."""
    return gamma / (1 + squares / 2)


def session_scale_sd(gamma: float, squares: float) -> float:
    """Standard deviation of log k_u given the `squared_logs` of n users; gamma: from Gamma(1 +
    n/2).
    """
    return 1 / math.sqrt(precision(gamma, squares))


def scale_shape(uniform: float, n_users: int, log_densities: float) -> float:
    """The shape nu of lam_u or c_u on its grid, given the `log_density` of all; uniform: in (0,
    1).
    """
    a = SCALE_SHAPES / 2
    log_p = n_users * (a * np.log(a) - gammaln(a)) + a * log_densities
    p = np.exp(log_p - log_p.max()).cumsum()
    return float(SCALE_SHAPES[np.searchsorted(p / p[-1], uniform, side="right")])


def squared_logs(session_scale: NDArray[np.float64]) -> float:
    """Of every k_u (n_users,)."""
    return float((np.log(session_scale) ** 2).sum())


def log_density(scales: NDArray[np.float64]) -> float:
    """What nu is drawn from: of every lam_u or c_u (n_users,) its logarithm less itself."""
    return float((np.log(scales) - scales).sum())
