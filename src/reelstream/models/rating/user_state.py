"""What is known of a user: the state that the filter keeps, and what it tells of one instant.

A state is `[bias, factors, session effect]`, K = D + 1 numbers. For each of S draws of the item
side and each of G grid points of (lam_u, k_u) it is normal, and the grid points are weighted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from reelstream.compute.arrays import Floats
from reelstream.models.rating.model import RatingModel

SECONDS_PER_YEAR = 365.25 * 86_400

# Taste is a random walk that in a year gathers this share of its prior covariance; a longer gap
# gathers no more.
DRIFT_PER_YEAR = 0.25


class Dynamics(NamedTuple):
    """What the filter needs to know of a model besides its items: S draws, G grid points."""

    noise: Floats
    """(S, G): variance of a rating's noise."""
    session_variance: Floats
    """(S, G): stationary variance of the session effect."""
    session_rate: Floats
    """(S,): how fast the session effect fades, per second."""
    drift: Floats
    """(S, D, D): covariance that the taste gathers per second."""
    prior_mean: Floats
    """(S, D)"""
    prior_cov: Floats
    """(S, D, D)"""


def dynamics_of(model: RatingModel) -> Dynamics:
    """The dynamics of a fitted model: three quantiles of lam_u and, if it has a session effect,
    three of k_u for each.
    """
    h, draws = model.hyperparameters, model.draws
    lam = gammaincinv(h.noise_shape / 2, np.array([1 / 6, 1 / 2, 5 / 6])) * 2 / h.noise_shape
    has_session = bool(draws.session_variance.any())
    # At -1.1, 0 and 1.1 standard deviations, three equal weights have about the variance of the law
    # of log k_u.
    k = np.exp(1.1 * h.session_scale_sd * np.array([-1.0, 0.0, 1.0])) if has_session else np.ones(1)
    prior_cov = np.linalg.inv(draws.user_precision)
    return Dynamics(
        noise=1 / (draws.alpha[:, None] * np.repeat(lam, len(k))),
        session_variance=draws.session_variance[:, None] * np.tile(k, len(lam)),
        session_rate=np.asarray(draws.session_rate),
        # A model without a session effect takes no notice of time at all.
        drift=prior_cov * (DRIFT_PER_YEAR / SECONDS_PER_YEAR if has_session else 0.0),
        prior_mean=np.asarray(draws.user_mean),
        prior_cov=prior_cov,
    )


class StateArrays(NamedTuple):
    """The arrays of a user's state, as compiled functions take them."""

    mean: Floats
    """(S, G, K)"""
    cov: Floats
    """(S, G, K, K)"""
    log_weight: Floats
    """(S, G)"""


@dataclass(slots=True)
class UserState:
    """What is known of one user after the ratings up to `last`."""

    mean: NDArray[np.float64]
    """(S, G, K)"""
    cov: NDArray[np.float64]
    """(S, G, K, K)"""
    log_weight: NDArray[np.float64]
    """(S, G): of each grid point, up to a constant; -inf once dropped."""
    last: int | None = None
    """Time of the newest rating, in seconds since 1970; None before the first."""
    n_ratings: int = 0
    n_likes: int = 0

    @classmethod
    def prior(cls, dynamics: Dynamics) -> Self:
        """A user of whom nothing is known."""
        S, G = dynamics.noise.shape
        D = dynamics.prior_mean.shape[1]
        mean = np.zeros((S, G, D + 1))
        mean[:, :, :D] = dynamics.prior_mean[:, None]
        cov = np.zeros((S, G, D + 1, D + 1))
        cov[:, :, :D, :D] = dynamics.prior_cov[:, None]
        cov[:, :, D, D] = dynamics.session_variance
        return cls(mean, cov, np.zeros((S, G)))

    @property
    def arrays(self) -> StateArrays:
        """The arrays themselves, not copies."""
        return StateArrays(self.mean, self.cov, self.log_weight)

    @property
    def nbytes(self) -> int:
        """The memory that the arrays take."""
        return self.mean.nbytes + self.cov.nbytes + self.log_weight.nbytes

    def seconds_until(self, at: int) -> float:
        """Seconds from the newest rating to `at`; 0 before the first, and for a time that lies
        before it.
        """
        return 0.0 if self.last is None else float(max(at - self.last, 0))


class UserBeliefs(NamedTuple):
    """What is known of users at n instants: for each draw, mean and covariance over its grid
    points; float32.
    """

    mean: Floats
    """(n, S, K)"""
    cov: Floats
    """(n, S, K, K)"""
    noise: Floats
    """(n, S): expected variance of a rating's noise."""

    @classmethod
    def allocate(cls, n: int, dynamics: Dynamics) -> Self:
        """Arrays for n instants, not filled yet."""
        S, D = dynamics.prior_mean.shape
        return cls(
            mean=np.empty((n, S, D + 1), np.float32),
            cov=np.empty((n, S, D + 1, D + 1), np.float32),
            noise=np.empty((n, S), np.float32),
        )
