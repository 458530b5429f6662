"""A user seen from afterwards: what ratings before *and after* a moment say about it.

Only evaluation asks this, to stand beside published figures in which ratings of the same evening
lie on both sides of a split: a server never knows later ratings. The filter of `user_posterior`
runs forwards and leaves its innovations; one pass backwards then corrects each question by what
came after it (Bierman, *Fixed interval smoothing with discrete measurements*, 1973, the form of
Bryson and Frazier): with predicted mean m and covariance P of a moment,

    m - P l,   P - P L P

where l and L gather, from the last rating back, `h h' / S` and `h e / S` of each innovation e with
variance S. No covariance is inverted, and a rating costs K^2 steps, as in the filter.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from reelstream.compute.arrays import Floats, Ints
from reelstream.models.rating.user_filter import (
    Dynamics,
    Events,
    Films,
    UserBeliefs,
    advance,
    events_between,
    item_at,
    item_variance,
    learn,
    measure,
    mix,
    moments_between,
)


@njit(cache=True, nogil=True)
def smooth_users(
    starts: Ints,
    first_asked: Ints,
    events: Events,
    films: Films,
    dynamics: Dynamics,
    moments: UserBeliefs,
) -> None:
    """As `filter_users`, but later ratings count too, which only evaluation knows: see
    `smooth_ratings`.
    """
    for user in range(starts.size - 1):
        if first_asked[user] < first_asked[user + 1]:
            own = events_between(events, starts[user], starts[user + 1])
            asked = moments_between(moments, first_asked[user], first_asked[user + 1])
            smooth_ratings(own, films, dynamics, asked)


@njit(cache=True, nogil=True)
def smooth_ratings(events: Events, films: Films, dynamics: Dynamics, moments: UserBeliefs) -> None:
    """Fill `moments` with what all events that learn, earlier and later, say of each event that
    asks.

    All of one user's events, in order of time, from the prior on; none of them both asks and
    learns.
    """
    S, G = dynamics.noise.shape
    D = dynamics.prior_mean.shape[1]
    n, asked = events.rows.size, int(events.asks.sum())
    means, covs = np.empty((asked, G, D + 1)), np.empty((asked, G, D + 1, D + 1))
    gains, errors, innovations = np.empty((G, n, D + 1)), np.empty((G, n)), np.empty((G, n))
    log_weight = np.empty(G)
    for s in range(S):
        for g in range(G):
            log_weight[g] = _filter(
                s,
                g,
                events,
                films,
                dynamics,
                means[:, g],
                covs[:, g],
                gains[g],
                errors[g],
                innovations[g],
            )
        for g in range(G):
            _look_back(
                s,
                events,
                films,
                dynamics.rate[s],
                means[:, g],
                covs[:, g],
                gains[g],
                errors[g],
                innovations[g],
            )
        for question in range(asked):
            mix(
                means[question], covs[question], log_weight, dynamics.noise[s], question, s, moments
            )


@njit(cache=True, nogil=True)
def _filter(
    s: int,
    g: int,
    events: Events,
    films: Films,
    dynamics: Dynamics,
    means: Floats,
    covs: Floats,
    gains: Floats,
    errors: Floats,
    innovations: Floats,
) -> float:
    """One draw's filter at one grid point, from the first event to the last; the log likelihood of
    what it learned.

    Written: means (n_asked, K) and covs (n_asked, K, K) of the moments asked at; gains (n, K),
    errors and innovations (n,) of the ratings learned.
    """
    D = dynamics.prior_mean.shape[1]
    mean, cov = np.zeros(D + 1), np.zeros((D + 1, D + 1))
    mean[:D] = dynamics.prior_mean[s]
    cov[:D, :D] = dynamics.prior_cov[s]
    cov[D, D] = dynamics.mood[s, g]
    log_likelihood = 0.0
    question = 0
    for j in range(events.rows.size):
        if j > 0:
            seconds = float(events.times[j] - events.times[j - 1])
            advance(mean, cov, seconds, dynamics.mood[s, g], dynamics.rate[s], dynamics.drift[s])
        if events.asks[j]:
            means[question] = mean
            covs[question] = cov
            question += 1
        if events.learns[j]:
            film, film_cov = item_at(films, s, events.rows[j], events.learned[j])
            value, variance = measure(mean, cov, film, gains[j])
            variance += dynamics.noise[s, g]
            if not events.learned[j]:
                variance += item_variance(mean, cov, film_cov)
            errors[j], innovations[j] = events.centred[j] - value, variance
            learn(mean, cov, gains[j], errors[j], variance)
            log_likelihood -= 0.5 * (math.log(variance) + errors[j] ** 2 / variance)
    return log_likelihood


@njit(cache=True, nogil=True)
def _look_back(
    s: int,
    events: Events,
    films: Films,
    rate: float,
    means: Floats,
    covs: Floats,
    gains: Floats,
    errors: Floats,
    innovations: Floats,
) -> None:
    """Correct the moments (n_asked, K), (n_asked, K, K) that `_filter` left by what was learned
    after each.
    """
    K = gains.shape[1]
    D = K - 1
    adjoint, information = np.zeros(K), np.zeros((K, K))  # l and L
    h = np.ones(K)
    question = means.shape[0]
    for j in range(events.rows.size - 1, -1, -1):
        if events.asks[j]:
            question -= 1
            cov = covs[question].copy()
            means[question] -= cov @ adjoint
            covs[question] -= cov @ information @ cov
        if events.learns[j]:
            film, _ = item_at(films, s, events.rows[j], events.learned[j])
            h[1:D] = film[1:]
            gain = gains[j] / innovations[j]
            onto = information @ gain
            along = gain @ onto + 1.0 / innovations[j]
            adjoint -= h * (gain @ adjoint + errors[j] / innovations[j])
            for a in range(K):
                for b in range(K):
                    information[a, b] += h[a] * h[b] * along - h[a] * onto[b] - onto[a] * h[b]
        if j > 0:
            fade = math.exp(-rate * (events.times[j] - events.times[j - 1]))
            adjoint[D] *= fade
            information[D] *= fade
            information[:, D] *= fade
