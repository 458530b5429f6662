"""A user as a state-space model: the state, what one rating teaches it, and what it predicts.

A user's state is `[bias, factors, mood]`, K = D + 1 numbers. For draw s of the item side and grid
point g of (lam_u, k_u) it is normal, and a rating of film `h = [1, q]` is a linear measurement of
it:

    r = mu + b_i + h . [bias, factors] + mood + e,    e ~ N(0, 1 / (alpha_s lam_g))

So a history is filtered rating by rating in order of time (Kalman, 1960): between two ratings the
mood fades and the taste drifts, then the rating is predicted, then learned. Grid points are
weighted by the marginal likelihood of the user's ratings, which the filter gives for free; one that
has lost its weight is dropped. A rating that the set has learned from is filtered with the films
that the draw's users were drawn from; any other with the films' mean given these users, and its
covariance as further noise. So a state is a function of (set, history) and nothing else.

The same function serves history, live updates, evaluation and questions. What a moment of a user
says about a film is `film_posterior`'s part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammaincinv

from reelstream.compute.arrays import FAST_MATH, Bools, Floats, Ints
from reelstream.models.rating.model import RatingModel

DRIFT_PER_YEAR = 0.25
"""Taste is a random walk that in a year gathers this share of its prior covariance; a longer gap
gathers no more.
"""
SECONDS_A_YEAR = 365.25 * 86_400

MIN_LOG_WEIGHT = -12.0
"""A grid point this far below the best in log weight, 6 in a million, is dropped."""


class Films(NamedTuple):
    """Films as the filter reads them: S draws, I films of the model, E without ratings, D numbers a
    row; all float32.
    """

    drawn: Floats
    """(S, I, D): the films that the draw's users were drawn from."""
    means: Floats
    """(S, I, D)"""
    covs: Floats
    """(S, I, D, D)"""
    unrated_means: Floats
    """(S, E, D)"""
    unrated_cov: Floats
    """(S, D, D)"""


class Events(NamedTuple):
    """One user's n ratings and questions, in order of time."""

    rows: Ints
    """(n,): rows of films; those behind the model's last are rows of the unrated."""
    times: Ints
    """(n,): seconds; one before the state's last counts as at the last."""
    centred: Floats
    """(n,): ratings less mu."""
    asks: Bools
    """(n,): whether the event is predicted."""
    learns: Bools
    """(n,): whether it is learned, then."""
    learned: Bools
    """(n,): whether the item side has learned from this rating."""


class UserBeliefs(NamedTuple):
    """What was known of users at n moments: for each draw the mean and covariance over its grid
    points; float32.
    """

    mean: Floats
    """(n, S, K)"""
    cov: Floats
    """(n, S, K, K)"""
    noise: Floats
    """(n, S): expected variance of a rating's noise."""

    @classmethod
    def room_for(cls, n: int, dynamics: Dynamics) -> Self:
        """Room for n moments."""
        S, D = dynamics.prior_mean.shape
        return cls(
            *(np.empty((n, S, *shape), np.float32) for shape in ((D + 1,), (D + 1, D + 1), ()))
        )


class Dynamics(NamedTuple):
    """What the filter needs to know of a model besides its films: S draws, G grid points."""

    noise: Floats
    """(S, G): variance of a rating's noise."""
    mood: Floats
    """(S, G): variance of the mood."""
    rate: Floats
    """(S,): how fast the mood fades, per second."""
    drift: Floats
    """(S, D, D): covariance that the taste gathers per second."""
    prior_mean: Floats
    """(S, D)"""
    prior_cov: Floats
    """(S, D, D)"""


def dynamics_of(model: RatingModel) -> Dynamics:
    """The dynamics of a fitted model: three quantiles of lam_u, and where there is mood three of
    k_u for each.
    """
    h, draws = model.hyperparameters, model.draws
    lam = gammaincinv(h.noise_shape / 2, np.array([1 / 6, 1 / 2, 5 / 6])) * 2 / h.noise_shape
    has_session = bool(draws.session_variance.any())
    # At -1.1, 0 and 1.1 standard deviations, three equal weights have about the variance of the law
    # of log k_u.
    k = np.exp(1.1 * h.session_scale_sd * np.array([-1.0, 0.0, 1.0])) if has_session else np.ones(1)
    prior_cov = np.linalg.inv(draws.user_precision)
    return Dynamics(
        1 / (draws.alpha[:, None] * np.repeat(lam, len(k))),
        draws.session_variance[:, None] * np.tile(k, len(lam)),
        np.asarray(draws.session_rate),
        prior_cov * (DRIFT_PER_YEAR / SECONDS_A_YEAR if has_session else 0.0),
        np.asarray(draws.user_mean),
        prior_cov,
    )


@dataclass(slots=True)
class UserState:
    """What is known of one user after his or her ratings up to `last`."""

    mean: NDArray[np.float64]
    """(S, G, K)"""
    cov: NDArray[np.float64]
    """(S, G, K, K)"""
    log_weight: NDArray[np.float64]
    """(S, G): of each grid point, up to a constant; -inf once dropped."""
    last: int | None = None
    """Time of the newest rating; None before the first."""
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
        cov[:, :, D, D] = dynamics.mood
        return cls(mean, cov, np.zeros((S, G)))

    def copy(self) -> UserState:
        """A state of its own with the same content."""
        return UserState(
            self.mean.copy(),
            self.cov.copy(),
            self.log_weight.copy(),
            self.last,
            self.n_ratings,
            self.n_likes,
        )


@njit(cache=True, nogil=True)
def item_at(films: Films, s: int, row: int, learned: bool) -> tuple[Floats, Floats]:
    """A film's row (D,) and covariance (D, D) in draw s; the row is the drawn one for a rating that
    the set has learned.
    """
    n_items = films.means.shape[1]
    if row >= n_items:
        return films.unrated_means[s, row - n_items], films.unrated_cov[s]
    if learned:
        return films.drawn[s, row], films.covs[s, row]
    return films.means[s, row], films.covs[s, row]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def advance(
    mean: Floats, cov: Floats, seconds: float, session_variance: float, rate: float, drift: Floats
) -> None:
    """Let `seconds` pass for one normal state (K,), (K, K): the taste drifts, the mood fades to
    `session_variance`.
    """
    D = drift.shape[0]
    drifting = min(seconds, SECONDS_A_YEAR)  # who was away for ten years has not become a stranger
    for a in range(D):
        for b in range(D):
            cov[a, b] += drifting * drift[a, b]
    fade = math.exp(-rate * seconds)
    mean[D] *= fade
    for a in range(D):
        cov[a, D] *= fade
        cov[D, a] *= fade
    cov[D, D] = fade * fade * cov[D, D] + session_variance * (1.0 - fade * fade)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def measure(mean: Floats, cov: Floats, film: Floats, gain: Floats) -> tuple[float, float]:
    """Mean and variance of `b_i + h . state` for a film row (D,); `gain` (K,) receives cov h, h =
    [1, factors, 1].
    """
    D = film.size
    K = D + 1
    value = film[0] + mean[0] + mean[D]
    for a in range(1, D):
        value += film[a] * mean[a]
    for a in range(K):
        gain[a] = cov[0, a] + cov[D, a]
    for b in range(1, D):  # row by row: each step is one on whole vectors
        for a in range(K):
            gain[a] += cov[b, a] * film[b]
    variance = 0.0
    for a in range(K):
        variance += gain[a] * (film[a] if 0 < a < D else 1.0)
    return value, variance


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def item_variance(mean: Floats, cov: Floats, film_cov: Floats) -> float:
    """Variance that a film's own uncertainty (D, D) adds: `E[x' C x]`, x = [1, the user's
    factors].
    """
    D = film_cov.shape[0]
    total = float(film_cov[0, 0])
    for a in range(1, D):
        total += 2.0 * film_cov[a, 0] * mean[a]
        for b in range(1, D):
            total += film_cov[a, b] * (mean[a] * mean[b] + cov[a, b])
    return total


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def learn(mean: Floats, cov: Floats, gain: Floats, error: float, innovation: float) -> None:
    """Condition one normal state on a measurement that was `error` off, with variance `innovation`
    (Kalman's step).
    """
    K = mean.size
    for a in range(K):
        step = gain[a] / innovation
        mean[a] += step * error
        for b in range(K):
            cov[a, b] -= step * gain[b]


@njit(cache=True, nogil=True)
def filter_ratings(
    mean: Floats,
    cov: Floats,
    log_weight: Floats,
    last: int,
    events: Events,
    films: Films,
    dynamics: Dynamics,
    moments: UserBeliefs,
) -> None:
    """Take one user's events in order of time: one that asks leaves a moment, one that learns
    changes the state.

    The state changes in place: mean (S, G, K), cov (S, G, K, K), log_weight (S, G); last: its time
    in seconds, negative before the first rating. `moments` receives what was known at each event
    that asks, before it was learned.
    """
    S, G, K = mean.shape
    gain = np.empty(K)
    asked = 0
    for j in range(events.rows.size):
        row, learned = events.rows[j], events.learned[j]
        seconds = float(max(events.times[j] - last, 0)) if last >= 0 else 0.0
        for s in range(S):
            film, film_cov = item_at(films, s, row, learned)
            for g in range(G):
                if seconds > 0.0 and log_weight[s, g] > -np.inf:
                    advance(
                        mean[s, g],
                        cov[s, g],
                        seconds,
                        dynamics.mood[s, g],
                        dynamics.rate[s],
                        dynamics.drift[s],
                    )
            if events.asks[j]:
                mix(mean[s], cov[s], log_weight[s], dynamics.noise[s], asked, s, moments)
            if events.learns[j]:
                for g in range(G):
                    if log_weight[s, g] == -np.inf:
                        continue
                    value, variance = measure(mean[s, g], cov[s, g], film, gain)
                    variance += dynamics.noise[s, g]
                    if not learned:
                        variance += item_variance(mean[s, g], cov[s, g], film_cov)
                    error = events.centred[j] - value
                    learn(mean[s, g], cov[s, g], gain, error, variance)
                    log_weight[s, g] -= 0.5 * (math.log(variance) + error * error / variance)
                drop_weightless(log_weight[s])
        asked += events.asks[j]
        last = max(last, events.times[j])


@njit(cache=True, nogil=True)
def filter_users(
    mean: Floats,
    cov: Floats,
    log_weight: Floats,
    starts: Ints,
    first_asked: Ints,
    events: Events,
    films: Films,
    dynamics: Dynamics,
    moments: UserBeliefs,
) -> None:
    """Filter n users whose events lie behind each other; who is asked nothing is passed over.

    mean, cov, log_weight: where each begins, as in `filter_ratings`; they stay as they are. starts,
    first_asked (n + 1,): where each user's events begin, and where the moments of those that ask.
    """
    for user in range(starts.size - 1):
        if first_asked[user] < first_asked[user + 1]:
            own = events_between(events, starts[user], starts[user + 1])
            asked = moments_between(moments, first_asked[user], first_asked[user + 1])
            filter_ratings(
                mean.copy(), cov.copy(), log_weight.copy(), -1, own, films, dynamics, asked
            )


@njit(cache=True, nogil=True)
def events_between(events: Events, first: int, after: int) -> Events:
    """Those from `first` up to, but without, `after`."""
    return Events(
        events.rows[first:after],
        events.times[first:after],
        events.centred[first:after],
        events.asks[first:after],
        events.learns[first:after],
        events.learned[first:after],
    )


@njit(cache=True, nogil=True)
def moments_between(moments: UserBeliefs, first: int, after: int) -> UserBeliefs:
    """Those from `first` up to, but without, `after`."""
    return UserBeliefs(
        moments.mean[first:after], moments.cov[first:after], moments.noise[first:after]
    )


@njit(cache=True, nogil=True)
def drop_weightless(log_weight: Floats) -> None:
    """Drop the grid points (G,) that have lost their weight, and keep the best at zero."""
    top = log_weight.max()
    for g in range(log_weight.size):
        log_weight[g] = log_weight[g] - top if log_weight[g] > top + MIN_LOG_WEIGHT else -np.inf


@njit(cache=True, nogil=True)
def mix(
    mean: Floats,
    cov: Floats,
    log_weight: Floats,
    noise: Floats,
    n: int,
    s: int,
    moments: UserBeliefs,
) -> None:
    """Fill moment n of draw s with the mean and covariance of the mixture over grid points."""
    G, K = mean.shape
    mixed_mean, mixed_cov = moments.mean[n, s], moments.cov[n, s]
    mixed_mean[:] = 0.0
    mixed_cov[:] = 0.0
    weights = np.exp(log_weight - log_weight.max())
    weights /= weights.sum()
    moments.noise[n, s] = (weights * noise).sum()
    for g in range(G):
        if weights[g] > 0.0:
            for a in range(K):
                mixed_mean[a] += weights[g] * mean[g, a]
    for g in range(G):
        if weights[g] > 0.0:
            for a in range(K):
                off = weights[g] * (mean[g, a] - mixed_mean[a])
                for b in range(K):
                    mixed_cov[a, b] += weights[g] * cov[g, a, b] + off * (
                        mean[g, b] - mixed_mean[b]
                    )
