"""The filter of one user's events: a state-space model with one step for each rating.

For draw s of the item side and grid point g of (lam_u, k_u, c_u), a rating of the item `h = [1, q]`
is a linear measurement of the user's state (`user_state`):

    r = mu + b_i + h . [bias, factors] + session effect + e,    e ~ N(0, 1 / (alpha_s lam_g))

So a history is filtered event by event in order of time (Kalman, 1960): between two events the
session effect fades and the taste drifts; then the rating is predicted, and then the state is
updated with it. That the item was rated at all moves the prior mean, and with it the mean of the
state, which is an affine function of it: with m the prior mean and A the derivative, one update is

    mean = A m + b,   A -= gain (h'A) / S,   b += gain (r - mu - b_i - h'b) / S

A and b are kept as one matrix, `response` (as the initial state is in de Jong's diffuse filter,
*The Diffuse Kalman Filter*, Annals of Statistics 1991). Where times count, the taste also drifts a
little with every rating. Grid points are weighted by the marginal likelihood of the user's ratings,
which the filter gives for free; one that has lost its weight is dropped.

A rating that the set was trained on is filtered with the item rows that the draw's users were drawn
with; any other with the items' mean given these users, and its covariance as further noise. So a
state is a function of (set, history) and of nothing else. The same functions serve histories, live
updates, evaluation and queries; what a belief says about an item is in `online_items`.

States are float32, on which vector instructions do twice as much as on float64: an update rounds at
1e-7 where noise is 1, and thousands of them stay far within a thousandth of the exact answer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from reelstream.compute.arrays import FAST_MATH, Bools, Floats, Ints
from reelstream.features.audience import SHRINKAGE_EXPOSURE
from reelstream.models.rating.user_state import (
    SECONDS_PER_YEAR,
    Dynamics,
    StateArrays,
    UserBeliefs,
    UserState,
)

f32 = np.float32

# A grid point this far below the best in log weight, one in eight thousand, is dropped: the time of
# the filter goes by the points that are left. At one in four hundred predictions suffer.
MIN_LOG_WEIGHT = -9.0


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
    exposure: Floats
    """(S, I, D): see `ItemDraws.exposure`; unrated items add nothing."""
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


class LearnedRating(NamedTuple):
    """One event that is a rating: see `FilterEvents`."""

    row: int
    centred: float
    is_trained_on: bool


class GridStates(NamedTuple):
    """A user's states in one draw, at all of its grid points."""

    response: Floats
    """(G, K, D + 1)"""
    cov: Floats
    """(G, K, K)"""
    log_weight: Floats
    """(G,)"""


class Scratch(NamedTuple):
    """What an update works with: the prior mean with the rating in the exposure, and arrays to
    write to.
    """

    prior_mean: Floats
    """(D,)"""
    mean: Floats
    """(K,)"""
    gain: Floats
    """(K,)"""
    row: Floats
    """(K,)"""


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
    cov: Floats, seconds: float, session_variance: float, rate: float, drift: Floats
) -> float:
    """Let `seconds` pass for one covariance (K, K): the taste drifts, and the session effect
    returns to its stationary `session_variance`. Returns what is left of the effect itself.
    """
    D = drift.shape[0]
    drifting = min(seconds, SECONDS_PER_YEAR)  # after ten years away, a user is no stranger yet
    for a in range(D):
        for b in range(D):
            cov[a, b] += f32(drifting) * drift[a, b]
    fade = f32(math.exp(-rate * seconds))
    for a in range(D):
        cov[a, D] *= fade
        cov[D, a] *= fade
    cov[D, D] = fade * fade * cov[D, D] + session_variance * (f32(1) - fade * fade)
    return float(fade)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def expect(mean: Floats, item: Floats) -> float:
    """The mean of `b_i + h . state` for an item's row (D,), where h = [1, factors, 1]."""
    D = item.size
    value = item[0] + mean[0] + mean[D]
    for a in range(1, D):
        value += item[a] * mean[a]
    return float(value)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def spread(cov: Floats, item: Floats, gain: Floats) -> float:
    """The variance of `h . state` for an item's row (D,); `gain` (K,) receives cov h."""
    D = item.size
    K = D + 1
    for a in range(K):
        gain[a] = cov[0, a] + cov[D, a]
    for b in range(1, D):  # row by row: each step is one on whole vectors
        for a in range(K):
            gain[a] += cov[b, a] * item[b]
    variance = gain[0] + gain[D]
    for a in range(1, D):
        variance += gain[a] * item[a]
    return float(variance)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def fill_mean(response: Floats, prior_mean: Floats, mean: Floats) -> None:
    """Fill mean (K,): that of a state with this response (K, D + 1), given the prior mean (D,)."""
    K, D = mean.size, prior_mean.size
    for a in range(K):
        total = response[a, D]
        for b in range(D):
            total += response[a, b] * prior_mean[b]
        mean[a] = total


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def fill_error(
    response: Floats, prior_mean: Floats, item: Floats, centred: float, row: Floats
) -> float:
    """How far a rating is from its mean; row (D + 1,) receives the error's response, with the other
    sign.
    """
    D = prior_mean.size
    for b in range(D + 1):
        row[b] = response[0, b] + response[D, b]
    for a in range(1, D):
        for b in range(D + 1):
            row[b] += item[a] * response[a, b]
    row[D] += item[0] - f32(centred)
    error = -row[D]
    for b in range(D):
        error -= row[b] * prior_mean[b]
    return float(error)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def item_variance(mean: Floats, cov: Floats, item_cov: Floats) -> float:
    """Variance that an item's own uncertainty (D, D) adds: `E[x' C x]`, x = [1, the user's
    factors].
    """
    D = item_cov.shape[0]
    total = item_cov[0, 0]
    for a in range(1, D):
        total += f32(2) * item_cov[a, 0] * mean[a]
        for b in range(1, D):
            total += item_cov[a, b] * (mean[a] * mean[b] + cov[a, b])
    return float(total)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def condition(cov: Floats, gain: Floats, innovation: float, walk: Floats) -> None:
    """Condition one covariance on a measurement of variance `innovation` (Kalman's step), then let
    the taste walk.
    """
    for a in range(gain.size):
        step = gain[a] / f32(innovation)
        for b in range(gain.size):
            cov[a, b] += walk[a, b] - step * gain[b]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def correct(response: Floats, gain: Floats, innovation: float, row: Floats) -> None:
    """Condition one response (K, D + 1) on a measurement; `row` as `fill_error` left it."""
    for a in range(gain.size):
        step = gain[a] / f32(innovation)
        for b in range(row.size):
            response[a, b] -= step * row[b]


@njit(cache=True, nogil=True)
def add_exposure(exposure: Floats, items: FilterItems, s: int, row: int) -> None:
    """Count an item among those that a user chose to rate; exposure (D + 1,) of draw s."""
    if row < items.exposure.shape[1]:
        D = exposure.size - 1
        for a in range(D):
            exposure[a] += items.exposure[s, row, a]
        exposure[D] += f32(1)


@njit(cache=True, nogil=True)
def fill_prior_mean(exposure: Floats, s: int, dynamics: Dynamics, prior_mean: Floats) -> None:
    """Fill prior_mean (D,): that of a user with this `exposure` (D + 1,) in draw s."""
    D = prior_mean.size
    for a in range(D):
        shift = exposure[a] / (exposure[D] + f32(SHRINKAGE_EXPOSURE))
        prior_mean[a] = dynamics.prior_mean[s, a] + shift


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
    S, G, K = state.response.shape[:3]
    prior_mean, means = np.empty(K - 1, f32), np.empty((G, K), f32)
    scratch = Scratch(prior_mean, np.empty(K, f32), np.empty(K, f32), np.empty(K, f32))
    # Of a literal 0 numba would make a type of its own, and compile `mix` once more.
    query = np.int64(0)
    for j in range(events.rows.size):
        seconds = float(max(events.times[j] - last, 0)) if last >= 0 else 0.0
        for s in range(S):
            states = GridStates(state.response[s], state.cov[s], state.log_weight[s])
            fill_prior_mean(state.exposure[s], s, dynamics, prior_mean)
            pass_time(states, seconds, s, dynamics)
            if events.is_query[j]:  # first: a rating must not be predicted from itself
                fill_means(states, prior_mean, means)
                mix(means, states, dynamics.noise[s], beliefs, query, s)
            if events.is_update[j]:
                add_exposure(state.exposure[s], items, s, events.rows[j])
                fill_prior_mean(state.exposure[s], s, dynamics, prior_mean)
                rating = LearnedRating(events.rows[j], events.centred[j], events.is_trained_on[j])
                update(states, rating, s, items, dynamics, scratch)
        query += events.is_query[j]
        last = max(last, events.times[j])


@njit(cache=True, nogil=True)
def update(
    states: GridStates,
    rating: LearnedRating,
    s: int,
    items: FilterItems,
    dynamics: Dynamics,
    scratch: Scratch,
) -> None:
    """Update all grid points of draw s with a rating."""
    prior_mean, mean, gain, row = scratch
    item, item_cov = item_at(items, s, rating.row, rating.is_trained_on)
    added = 0.0
    if not rating.is_trained_on:
        # Of the likeliest grid point: of the others it is nearly the same, and takes as long as
        # the rest of an update.
        g = int(np.argmax(states.log_weight))
        fill_mean(states.response[g], prior_mean, mean)
        added = item_variance(mean, states.cov[g], item_cov)
    for g in range(states.log_weight.size):
        if states.log_weight[g] == -np.inf:
            continue
        response, cov = states.response[g], states.cov[g]
        variance = dynamics.noise[s, g] + spread(cov, item, gain) + added
        error = fill_error(response, prior_mean, item, rating.centred, row)
        condition(cov, gain, variance, dynamics.walk[s])
        correct(response, gain, variance, row)
        states.log_weight[g] -= 0.5 * (math.log(variance) + error * error / variance)
    drop_weightless(states.log_weight)


def filter_users(
    spans: UserSpans,
    events: FilterEvents,
    items: FilterItems,
    dynamics: Dynamics,
    beliefs: UserBeliefs,
) -> None:
    """Filter n users, each from the prior on; users without a query are skipped."""
    prior = UserState.prior(dynamics).arrays
    # Not compiled: it would double what the filter takes to compile, and calls take microseconds.
    for user in range(len(spans.starts) - 1):
        first, end = spans.first_query[user : user + 2]
        if first < end:
            state = StateArrays(*(array.copy() for array in prior))
            own = slice_events(events, *spans.starts[user : user + 2])
            filter_events(state, -1, own, items, dynamics, slice_beliefs(beliefs, first, end))


@njit(cache=True, nogil=True)
def fill_belief(
    state: StateArrays, seconds: float, dynamics: Dynamics, beliefs: UserBeliefs
) -> None:
    """Fill `beliefs`, of one instant, with what is known `seconds` after the state's last rating;
    the state stays as it is.
    """
    S, G, K = state.response.shape[:3]
    prior_mean, means = np.empty(K - 1, f32), np.empty((G, K), f32)
    for s in range(S):
        # Copies: time passes for the query only, and the next rating may be earlier than `seconds`.
        states = GridStates(state.response[s].copy(), state.cov[s].copy(), state.log_weight[s])
        pass_time(states, seconds, s, dynamics)
        fill_prior_mean(state.exposure[s], s, dynamics, prior_mean)
        fill_means(states, prior_mean, means)
        mix(means, states, dynamics.noise[s], beliefs, np.int64(0), s)


@njit(cache=True, nogil=True)
def fill_means(states: GridStates, prior_mean: Floats, means: Floats) -> None:
    """Fill means (G, K) of the grid points that still have weight."""
    for g in range(states.log_weight.size):
        if states.log_weight[g] > -np.inf:
            fill_mean(states.response[g], prior_mean, means[g])


@njit(cache=True, nogil=True, inline="always")
def pass_time(states: GridStates, seconds: float, s: int, dynamics: Dynamics) -> None:
    """Advance the grid points of draw s that still have weight."""
    if seconds > 0.0:
        rate, drift = dynamics.session_rate[s], dynamics.drift[s]
        for g in range(states.log_weight.size):
            if states.log_weight[g] > -np.inf:
                variance = dynamics.session_variance[s, g]
                fade = advance(states.cov[g], seconds, variance, rate, drift)
                D = drift.shape[0]
                for b in range(D + 1):
                    states.response[g, D, b] *= f32(fade)


def slice_events(events: FilterEvents, first: int, end: int) -> FilterEvents:
    """Those from `first` up to, but without, `end`."""
    return FilterEvents(*(array[first:end] for array in events))


def slice_beliefs(beliefs: UserBeliefs, first: int, end: int) -> UserBeliefs:
    """Those from `first` up to, but without, `end`."""
    return UserBeliefs(*(array[first:end] for array in beliefs))


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
def mix(
    mean: Floats, states: GridStates, noise: Floats, beliefs: UserBeliefs, n: int, s: int
) -> None:
    """Fill belief n of draw s with the mean and covariance of the mixture of its grid points, with
    means (G, K) and noise (G,).
    """
    cov, log_weight = states.cov, states.log_weight
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
