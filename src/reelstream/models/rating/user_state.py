"""What is known of a user: the state that the filter keeps, and what it tells of one instant.

A state is `[bias, factors, session effect]`, K = D + 1 numbers. For each of S draws of the item
side and each of G grid points of (lam_u, k_u, c_u) it is normal, and the grid points are weighted.

The prior mean of bias and factors grows with the history, since it says what the user chose to
rate. A state's mean is an affine function of it, so the filter keeps that function, `response`: the
mean is then exact for the prior mean of the whole history, as if it had been known from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from reelstream.compute import threads
from reelstream.compute.arrays import Floats
from reelstream.models.rating.echo import nothing_rated
from reelstream.models.rating.model import RatingModel

SECONDS_PER_YEAR = 365.25 * 86_400

# Taste is a random walk that in a year gathers this share of its prior covariance; a longer gap
# gathers no more.
DRIFT_PER_YEAR = 0.25
# And with every rating it gathers this share: what people like changes while they rate. On the
# holdout of the training part of MovieLens, 0 scores 0.0013 RMSE worse, 0.001 and 0.004 0.0003.
DRIFT_PER_RATING = 0.002


class Dynamics(NamedTuple):
    """What the filter needs to know of a model besides its items: S draws, G grid points; float32
    but for the rate.
    """

    noise: Floats
    """(S, G): variance of a rating's noise."""
    session_variance: Floats
    """(S, G): stationary variance of the session effect."""
    session_rate: Floats
    """(S,): how fast the session effect fades, per second."""
    drift: Floats
    """(S, D, D): covariance that the taste gathers per second."""
    walk: Floats
    """(S, K, K): covariance that the state gathers with every rating; the session effect none."""
    prior_mean: Floats
    """(S, D): of a user who has rated nothing."""
    prior_cov: Floats
    """(S, D, D): of a user of c_u = 1."""
    prior_spread: Floats
    """(G,): 1 / c_u, by which the prior covariance is multiplied."""
    echo: Floats
    """(S, N_GAPS): weights of the echo, by the gap."""


@threads.one_for_blas()
def dynamics_of(model: RatingModel) -> Dynamics:
    """The dynamics of a fitted model: nine grid points of three values each of lam_u, c_u and, if
    it has a session effect, k_u.

    With all three, they are an orthogonal array (Taguchi's L9): every pair of values of two of the
    three comes once. All 27 points would cost three times as much and score 0.0008 better.
    """
    h, draws = model.hyperparameters, model.draws
    lam, c = _thirds(h.noise_shape), _thirds(h.prior_shape)
    has_session = bool(draws.session_variance.any())
    # At -1.1, 0 and 1.1 standard deviations, three equal weights have about the variance of the law
    # of log k_u.
    k = np.exp(1.1 * h.session_scale_sd * np.array([-1.0, 0.0, 1.0]))
    one, two = np.divmod(np.arange(9), 3)
    three = (one + two) % 3 if has_session else two
    prior_cov = np.linalg.inv(draws.user_precision)
    per_year, per_rating = (DRIFT_PER_YEAR, DRIFT_PER_RATING) if has_session else (0.0, 0.0)
    walk = np.pad(prior_cov * per_rating, ((0, 0), (0, 1), (0, 1)))
    return Dynamics(
        noise=(1 / (draws.alpha[:, None] * lam[one])).astype(np.float32),
        session_variance=(draws.session_variance[:, None] * k[two]).astype(np.float32),
        session_rate=np.asarray(draws.session_rate),
        # A model without a session effect takes no notice of time at all.
        drift=(prior_cov * (per_year / SECONDS_PER_YEAR)).astype(np.float32),
        walk=walk.astype(np.float32),
        prior_mean=draws.user_mean.astype(np.float32),
        prior_cov=prior_cov.astype(np.float32),
        prior_spread=(1 / c[three]).astype(np.float32),
        echo=(draws.echo * has_session).astype(np.float32),
    )


def _thirds(shape: float) -> NDArray[np.float64]:
    """The medians (3,) of the three thirds of Gamma(shape / 2, shape / 2)."""
    quantiles: NDArray[np.float64] = gammaincinv(shape / 2, np.array([1 / 6, 1 / 2, 5 / 6]))
    return quantiles * 2 / shape


class StateArrays(NamedTuple):
    """The arrays of a user's state, as compiled functions take them."""

    response: Floats
    """(S, G, K, D + 1): with prior mean m, the mean is `response @ [m, 1]`."""
    cov: Floats
    """(S, G, K, K)"""
    log_weight: Floats
    """(S, G)"""
    exposure: Floats
    """(S, D + 1): what the rated items add to the prior mean, and in the last column their
    number."""
    recent: Floats
    """(2, 3) float64: the newest two instants, see `remember`."""


@dataclass(slots=True)
class UserState:
    """What is known of one user after the ratings up to `last`."""

    response: NDArray[np.float32]
    """(S, G, K, D + 1): with prior mean m, the mean is `response @ [m, 1]`."""
    cov: NDArray[np.float32]
    """(S, G, K, K)"""
    log_weight: NDArray[np.float64]
    """(S, G): of each grid point, up to a constant; -inf once dropped."""
    exposure: NDArray[np.float32]
    """(S, D + 1): what the rated items add to the prior mean, and in the last column their
    number."""
    recent: NDArray[np.float64]
    """(2, 3): the newest two instants, see `remember`."""
    last: int | None = None
    """Time of the newest rating, in seconds since 1970; None before the first."""
    n_ratings: int = 0
    n_likes: int = 0

    @classmethod
    def prior(cls, dynamics: Dynamics) -> Self:
        """A user of whom nothing is known."""
        S, G = dynamics.noise.shape
        D = dynamics.prior_mean.shape[1]
        response = np.zeros((S, G, D + 1, D + 1), np.float32)
        response[:, :, :D, :D] = np.eye(D)
        cov = np.zeros((S, G, D + 1, D + 1), np.float32)
        cov[:, :, :D, :D] = dynamics.prior_cov[:, None] * dynamics.prior_spread[:, None, None]
        cov[:, :, D, D] = dynamics.session_variance
        exposure = np.zeros((S, D + 1), np.float32)
        return cls(response, cov, np.zeros((S, G)), exposure, nothing_rated())

    @property
    def arrays(self) -> StateArrays:
        """The arrays themselves, not copies."""
        return StateArrays(self.response, self.cov, self.log_weight, self.exposure, self.recent)

    @property
    def nbytes(self) -> int:
        """The memory that the arrays take."""
        return sum(array.nbytes for array in self.arrays)

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
    echo: Floats
    """(n, S, 2): w, and w x, of a rating given at that instant."""

    @classmethod
    def allocate(cls, n: int, dynamics: Dynamics) -> Self:
        """Arrays for n instants, not filled yet."""
        S, D = dynamics.prior_mean.shape
        return cls(
            mean=np.empty((n, S, D + 1), np.float32),
            cov=np.empty((n, S, D + 1, D + 1), np.float32),
            noise=np.empty((n, S), np.float32),
            echo=np.empty((n, S, 2), np.float32),
        )
