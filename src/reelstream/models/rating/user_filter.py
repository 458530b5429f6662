"""The filter of one user's events: a state-space model with one step for each rating.

For draw s of the item side and grid point g of (lam_u, k_u), a rating of the item `h = [1, q]` is a
linear measurement of the user's state (`user_state`):

    r = mu + b_i + h . [bias, factors] + session effect + e,    e ~ N(0, 1 / (alpha_s lam_g))

So a history is filtered event by event in order of time (Kalman, 1960): between two events the
session effect fades and the taste drifts; then the rating is predicted, and then the state is
updated with it. Grid points are weighted by the marginal likelihood of the user's ratings, which
the filter gives for free; one that has lost its weight is dropped.

A rating that the set was trained on is filtered with the item rows that the draw's users were drawn
with; any other with the items' mean given these users, and its covariance as further noise. So a
state is a function of (set, history) and of nothing else. The same functions serve histories, live
updates, evaluation and queries; what a belief says about an item is in `online_items`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from reelstream.compute.arrays import FAST_MATH, Bools, Floats, Ints
from reelstream.models.rating.user_state import (
    SECONDS_PER_YEAR,
    Dynamics,
    StateArrays,
    UserBeliefs,
)

# A grid point this far below the best in log weight, 6 in a million, is dropped.
MIN_LOG_WEIGHT = -12.0


class FilterItems(NamedTuple):
    """Items as the filter reads them: S draws, I items of the model, E without ratings, D numbers a
    row; all float32.
    """

    drawn: Floats
    """(S, I, D): the rows that the draw's users were drawn with."""
    means: Floats
    """(S, I, D)"""
    covs: Floats
    """(S, I, D, D)"""
    unrated_means: Floats
    """(S, E, D)"""
    unrated_cov: Floats
    """(S, D, D)"""


class FilterEvents(NamedTuple):
    """n ratings and queries, of one user in order of time; or of several users, one after the
    other.
    """

    rows: Ints
    """(n,): rows of items; from I on, rows of the unrated ones."""
    times: Ints
    """(n,): seconds since 1970; one before the state's last counts as at the last."""
    centred: Floats
    """(n,): ratings less mu."""
    is_query: Bools
    """(n,): whether the belief just before the event is wanted."""
    is_update: Bools
    """(n,): whether the state is updated with the rating, after the query."""
    is_trained_on: Bools
    """(n,): whether the item side was trained on this rating."""


class GridStates(NamedTuple):
    """A user's states in one draw, at all of its grid points."""

    mean: Floats
    """(G, K)"""
    cov: Floats
    """(G, K, K)"""
    log_weight: Floats
    """(G,)"""


class UserSpans(NamedTuple):
    """Where each of n users has its events, and its queries among all queries."""

    starts: Ints
    """(n + 1,): user u has the events from `starts[u]` up to, but without, `starts[u + 1]`."""
    first_query: Ints
    """(n + 1,): likewise of the queries."""


@njit(cache=True, nogil=True)
def item_at(items: FilterItems, s: int, row: int, is_trained_on: bool) -> tuple[Floats, Floats]:
    """The row (D,) and covariance (D, D) of an item in draw s, as a rating of it is filtered."""
    n_items = items.means.shape[1]
    if row >= n_items:
        return items.unrated_means[s, row - n_items], items.unrated_cov[s]
    if is_trained_on:
        return items.drawn[s, row], items.covs[s, row]
    return items.means[s, row], items.covs[s, row]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def advance(
    mean: Floats, cov: Floats, seconds: float, session_variance: float, rate: float, drift: Floats
) -> None:
    """Let `seconds` pass for one normal state (K,), (K, K): the taste drifts, and the session
    effect returns to zero and its stationary `session_variance`.
    """
    D = drift.shape[0]
    drifting = min(seconds, SECONDS_PER_YEAR)  # after ten years away, a user is no stranger yet
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
def measure(mean: Floats, cov: Floats, item: Floats, gain: Floats) -> tuple[float, float]:
    """Mean and variance of `b_i + h . state` for an item's row (D,).

    `gain` (K,) receives cov h, where h = [1, factors, 1].
    """
    D = item.size
    K = D + 1
    value = item[0] + mean[0] + mean[D]
    for a in range(1, D):
        value += item[a] * mean[a]
    for a in range(K):
        gain[a] = cov[0, a] + cov[D, a]
    for b in range(1, D):  # row by row: each step is one on whole vectors
        for a in range(K):
            gain[a] += cov[b, a] * item[b]
    variance = 0.0
    for a in range(K):
        variance += gain[a] * (item[a] if 0 < a < D else 1.0)
    return value, variance


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def item_variance(mean: Floats, cov: Floats, item_cov: Floats) -> float:
    """Variance that an item's own uncertainty (D, D) adds: `E[x' C x]`, x = [1, the user's
    factors].
    """
    D = item_cov.shape[0]
    total = float(item_cov[0, 0])
    for a in range(1, D):
        total += 2.0 * item_cov[a, 0] * mean[a]
        for b in range(1, D):
            total += item_cov[a, b] * (mean[a] * mean[b] + cov[a, b])
    return total


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def condition(mean: Floats, cov: Floats, gain: Floats, error: float, innovation: float) -> None:
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
def filter_events(
    state: StateArrays,
    last: int,
    events: FilterEvents,
    items: FilterItems,
    dynamics: Dynamics,
    beliefs: UserBeliefs,
) -> None:
    """Take one user's events in order of time; `state` changes in place.

    `last` is the state's time in seconds, negative before the first rating. `beliefs` receives what
    was known at each query, before an update with the same event.
    """
    means, covs, log_weights = state
    S, G, K = means.shape
    gain, query = np.empty(K), 0
    for j in range(events.rows.size):
        row, is_trained_on = events.rows[j], events.is_trained_on[j]
        seconds = float(max(events.times[j] - last, 0)) if last >= 0 else 0.0
        for s in range(S):
            log_weight, noise = log_weights[s], dynamics.noise[s]
            pass_time(GridStates(means[s], covs[s], log_weight), seconds, s, dynamics)
            if events.is_query[j]:  # first: a rating must not be predicted from itself
                mix(GridStates(means[s], covs[s], log_weight), noise, beliefs, query, s)
            if events.is_update[j]:
                item, item_cov = item_at(items, s, row, is_trained_on)
                for g in range(G):
                    if log_weight[g] == -np.inf:
                        continue
                    mean, cov = means[s, g], covs[s, g]
                    value, variance = measure(mean, cov, item, gain)
                    variance += noise[g]
                    if not is_trained_on:
                        variance += item_variance(mean, cov, item_cov)
                    error = events.centred[j] - value
                    condition(mean, cov, gain, error, variance)
                    log_weight[g] -= 0.5 * (math.log(variance) + error * error / variance)
                drop_weightless(log_weight)
        query += events.is_query[j]
        last = max(last, events.times[j])


@njit(cache=True, nogil=True)
def filter_users(
    prior: StateArrays,
    spans: UserSpans,
    events: FilterEvents,
    items: FilterItems,
    dynamics: Dynamics,
    beliefs: UserBeliefs,
) -> None:
    """Filter n users, each from `prior` on, which stays as it is; users without a query are
    skipped.
    """
    for user in range(spans.starts.size - 1):
        first, end = spans.first_query[user], spans.first_query[user + 1]
        if first < end:
            state = StateArrays(prior.mean.copy(), prior.cov.copy(), prior.log_weight.copy())
            own = slice_events(events, spans.starts[user], spans.starts[user + 1])
            filter_events(state, -1, own, items, dynamics, slice_beliefs(beliefs, first, end))


@njit(cache=True, nogil=True)
def fill_belief(
    state: StateArrays, seconds: float, dynamics: Dynamics, beliefs: UserBeliefs
) -> None:
    """Fill `beliefs`, of one instant, with what is known `seconds` after the state's last rating;
    the state stays as it is.
    """
    for s in range(state.mean.shape[0]):
        # Copies: time passes for the query only, and the next rating may be earlier than `seconds`.
        states = GridStates(state.mean[s].copy(), state.cov[s].copy(), state.log_weight[s])
        pass_time(states, seconds, s, dynamics)
        mix(states, dynamics.noise[s], beliefs, 0, s)


@njit(cache=True, nogil=True, inline="always")
def pass_time(states: GridStates, seconds: float, s: int, dynamics: Dynamics) -> None:
    """Advance the grid points of draw s that still have weight."""
    if seconds > 0.0:
        rate, drift = dynamics.session_rate[s], dynamics.drift[s]
        for g in range(states.log_weight.size):
            if states.log_weight[g] > -np.inf:
                variance = dynamics.session_variance[s, g]
                advance(states.mean[g], states.cov[g], seconds, variance, rate, drift)


@njit(cache=True, nogil=True)
def slice_events(events: FilterEvents, first: int, end: int) -> FilterEvents:
    """Those from `first` up to, but without, `end`."""
    return FilterEvents(
        events.rows[first:end],
        events.times[first:end],
        events.centred[first:end],
        events.is_query[first:end],
        events.is_update[first:end],
        events.is_trained_on[first:end],
    )


@njit(cache=True, nogil=True)
def slice_beliefs(beliefs: UserBeliefs, first: int, end: int) -> UserBeliefs:
    """Those from `first` up to, but without, `end`."""
    return UserBeliefs(beliefs.mean[first:end], beliefs.cov[first:end], beliefs.noise[first:end])


@njit(cache=True, nogil=True)
def highest(log_weight: Floats) -> float:
    """The largest log weight of grid points (G,)."""
    top = float(log_weight[0])
    for g in range(1, log_weight.size):
        top = max(top, log_weight[g])
    return top


@njit(cache=True, nogil=True)
def drop_weightless(log_weight: Floats) -> None:
    """Drop the grid points (G,) that have lost their weight, and keep the best at zero."""
    top = highest(log_weight)
    for g in range(log_weight.size):
        log_weight[g] = log_weight[g] - top if log_weight[g] > top + MIN_LOG_WEIGHT else -np.inf


@njit(cache=True, nogil=True)
def mix(states: GridStates, noise: Floats, beliefs: UserBeliefs, n: int, s: int) -> None:
    """Fill belief n of draw s with the mean and covariance of the mixture of its grid points, whose
    noise is (G,).
    """
    mean, cov, log_weight = states
    G, K = mean.shape
    mixed_mean, mixed_cov = beliefs.mean[n, s], beliefs.cov[n, s]
    # Loops, not array expressions: those take longer to compile, at every start without a cache.
    weights = np.empty(G)
    top, total, expected_noise = highest(log_weight), 0.0, 0.0
    for g in range(G):
        weights[g] = math.exp(log_weight[g] - top)
        total += weights[g]
    for g in range(G):
        weights[g] /= total
        expected_noise += weights[g] * noise[g]
    beliefs.noise[n, s] = expected_noise
    for a in range(K):
        mixed_mean[a] = 0.0
        for b in range(K):
            mixed_cov[a, b] = 0.0
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
