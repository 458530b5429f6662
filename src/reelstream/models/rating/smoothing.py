"""A user seen from afterwards: what ratings before *and after* an instant say about it.

Only evaluation needs this, to stand beside published figures in which ratings of the same evening
lie on both sides of a split: a server never knows later ratings. The filter of `user_filter` runs
forwards and keeps its innovations; one pass backwards then corrects the belief at each query by
what came after it (Bierman, *Fixed interval smoothing with discrete measurements*, 1973, the form
of Bryson and Frazier): with predicted mean m and covariance P at a query,

    m - P l,   P - P L P

where l and L gather, from the last rating back, `h h' / S` and `h e / S` of each innovation e with
variance S. No covariance is inverted, and a rating costs K^2 steps, as in the filter.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from reelstream.compute.arrays import Floats
from reelstream.compute.compiled import compiled
from reelstream.models.rating.echo import Leisure, find_echoes, leisure_of, weight_of
from reelstream.models.rating.filter_input import (
    FilterEvents,
    FilterItems,
    UserSpans,
    item_at,
    slice_beliefs,
    slice_events,
)
from reelstream.models.rating.grid import GridStates, mix
from reelstream.models.rating.kalman import advance, condition, expect, item_variance, spread
from reelstream.models.rating.user_filter import add_exposure, fill_prior_mean
from reelstream.models.rating.user_state import Dynamics, UserBeliefs


class Trajectory(NamedTuple):
    """What the filter leaves of one user at one grid point: of n events, q are queries."""

    means: Floats
    """(q, K): at each query."""
    covs: Floats
    """(q, K, K)"""
    gains: Floats
    """(n, K): of each update, before it is divided by the innovation's variance."""
    errors: Floats
    """(n,): innovations."""
    variances: Floats
    """(n,): their variances."""


def smooth_users(
    spans: UserSpans,
    events: FilterEvents,
    items: FilterItems,
    dynamics: Dynamics,
    beliefs: UserBeliefs,
) -> None:
    """As `filter_users`, from the prior on, but later ratings count too: see `smooth_events`."""
    for user in range(len(spans.starts) - 1):
        first, end = spans.first_query[user : user + 2]
        # Without a query there is nothing to tell.
        if first < end:
            own = slice_events(events, *spans.starts[user : user + 2])
            smooth_events(own, items, dynamics, slice_beliefs(beliefs, first, end))


@compiled()
def smooth_events(
    events: FilterEvents, items: FilterItems, dynamics: Dynamics, beliefs: UserBeliefs
) -> None:
    """Fill `beliefs` with what all updates, earlier and later, say at each query.

    All of one user's events, in order of time, from the prior on; none of them is both a query and
    an update.
    """
    S, G = dynamics.noise.shape
    K = dynamics.prior_mean.shape[1] + 1
    n, n_queries = events.rows.size, int(events.is_query.sum())
    means, covs = np.empty((n_queries, G, K)), np.empty((n_queries, G, K, K))
    gains, errors, variances = np.empty((n, K)), np.empty(n), np.empty(n)
    log_weight, no_response = np.empty(G), np.empty((0, 0, 0))
    echoes = find_echoes(events.times, events.centred, events.is_update)
    for s in range(S):
        leisure = leisure_of(echoes, dynamics.echo[s], events.centred)
        for g in range(G):
            trajectory = Trajectory(means[:, g], covs[:, g], gains, errors, variances)
            log_weight[g] = _filter(s, g, events, leisure, items, dynamics, trajectory=trajectory)
            _look_back(s, events, items, dynamics.session_rate[s], trajectory)
        query = np.int64(0)
        for j in range(n):
            if events.is_query[j]:
                states = GridStates(no_response, covs[query], log_weight)
                mix(means[query], states, dynamics.noise[s], beliefs, query, s)
                echo = weight_of(dynamics.echo[s], echoes.gaps[j])
                beliefs.echo[query, s, 0] = echo
                beliefs.echo[query, s, 1] = echo * echoes.before[j]
                query += 1


@compiled()
def _filter(
    s: int,
    g: int,
    events: FilterEvents,
    leisure: Leisure,
    items: FilterItems,
    dynamics: Dynamics,
    trajectory: Trajectory,
) -> float:
    """Fill the trajectory of draw s at grid point g; the log likelihood of its updates."""
    session_variance, rate = dynamics.session_variance[s, g], dynamics.session_rate[s]
    D = dynamics.prior_mean.shape[1]
    mean, cov, exposure = np.zeros(D + 1), np.zeros((D + 1, D + 1)), np.zeros(D + 1)
    for j in range(events.rows.size):
        # What a user chose to rate counts from the start: seen from afterwards it is known.
        if events.is_update[j]:
            add_exposure(exposure, items, s, events.rows[j])
    fill_prior_mean(exposure, s, dynamics, mean[:D])
    cov[:D, :D] = dynamics.prior_cov[s] * dynamics.prior_spread[g]
    cov[D, D] = session_variance
    log_likelihood = 0.0
    query = 0
    for j in range(events.rows.size):
        if j > 0:
            seconds = float(events.times[j] - events.times[j - 1])
            mean[D] *= advance(cov, seconds, session_variance, rate, dynamics.drift[s])
        if events.is_query[j]:
            trajectory.means[query] = mean
            trajectory.covs[query] = cov
            query += 1
        if events.is_update[j]:
            item, item_cov = item_at(items, s, events.rows[j], events.is_trained_on[j])
            gain = trajectory.gains[j]
            variance = dynamics.noise[s, g] * leisure.widening[j] + spread(cov, item, gain)
            # An item that the set has not learned from is itself uncertain.
            if not events.is_trained_on[j]:
                variance += item_variance(mean, cov, item_cov)
            error = leisure.centred[j] - expect(mean, item)
            trajectory.errors[j], trajectory.variances[j] = error, variance
            for a in range(D + 1):
                mean[a] += gain[a] * error / variance
            condition(cov, gain, variance, dynamics.walk[s])
            log_likelihood -= 0.5 * (math.log(variance) + error**2 / variance)
    return log_likelihood


@compiled()
def _look_back(
    s: int, events: FilterEvents, items: FilterItems, rate: float, trajectory: Trajectory
) -> None:
    """Correct the means and covariances at the queries by the updates after each."""
    K = trajectory.gains.shape[1]
    D = K - 1
    adjoint, information = np.zeros(K), np.zeros((K, K))  # l and L
    h = np.ones(K)
    query = trajectory.means.shape[0]
    for j in range(events.rows.size - 1, -1, -1):
        # Before the event's own update, as the filter has it: none is both.
        if events.is_query[j]:
            query -= 1
            cov = trajectory.covs[query].copy()
            trajectory.means[query] -= cov @ adjoint
            trajectory.covs[query] -= cov @ information @ cov
        if events.is_update[j]:
            item, _ = item_at(items, s, events.rows[j], events.is_trained_on[j])
            h[1:D] = item[1:]
            gain = trajectory.gains[j] / trajectory.variances[j]
            onto = information @ gain
            along = gain @ onto + 1.0 / trajectory.variances[j]
            adjoint -= h * (gain @ adjoint + trajectory.errors[j] / trajectory.variances[j])
            # Written out: K is small, and a product of matrices would allocate each time.
            for a in range(K):
                for b in range(K):
                    information[a, b] += h[a] * h[b] * along - h[a] * onto[b] - onto[a] * h[b]
        if j > 0:
            fade = math.exp(-rate * (events.times[j] - events.times[j - 1]))
            adjoint[D] *= fade
            information[D] *= fade
            information[:, D] *= fade
