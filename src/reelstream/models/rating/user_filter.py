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
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from reelstream.compute.arrays import Floats
from reelstream.compute.compiled import compiled
from reelstream.features.audience import SHRINKAGE_EXPOSURE
from reelstream.models.rating.echo import at_leisure, echoed, remember, weight_of
from reelstream.models.rating.filter_input import (
    FilterEvents,
    FilterItems,
    UserSpans,
    item_at,
    slice_beliefs,
    slice_events,
)
from reelstream.models.rating.grid import (
    GridStates,
    drop_weightless,
    fill_means,
    mix,
    pass_time,
)
from reelstream.models.rating.kalman import (
    condition,
    correct,
    fill_error,
    fill_mean,
    item_variance,
    spread,
)
from reelstream.models.rating.user_state import (
    Dynamics,
    StateArrays,
    UserBeliefs,
    UserState,
)

f32 = np.float32


class LearnedRating(NamedTuple):
    """One event that is a rating: see `FilterEvents`."""

    row: int
    centred: float
    """Without its echo."""
    widening: float
    """By what the echo's removal has multiplied the variance of its noise."""
    is_trained_on: bool


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


@compiled()
def add_exposure(exposure: Floats, items: FilterItems, s: int, row: int) -> None:
    """Count an item among those that a user chose to rate; exposure (D + 1,) of draw s."""
    if row < items.exposure.shape[1]:
        D = exposure.size - 1
        for a in range(D):
            exposure[a] += items.exposure[s, row, a]
        exposure[D] += f32(1)


@compiled()
def fill_prior_mean(exposure: Floats, s: int, dynamics: Dynamics, prior_mean: Floats) -> None:
    """Fill prior_mean (D,): that of a user with this `exposure` (D + 1,) in draw s."""
    D = prior_mean.size
    for a in range(D):
        shift = exposure[a] / (exposure[D] + f32(SHRINKAGE_EXPOSURE))
        prior_mean[a] = dynamics.prior_mean[s, a] + shift


@compiled()
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
        gap, before = echoed(state.recent, float(events.times[j]))
        for s in range(S):
            echo = weight_of(dynamics.echo[s], gap)
            states = GridStates(state.response[s], state.cov[s], state.log_weight[s])
            fill_prior_mean(state.exposure[s], s, dynamics, prior_mean)
            pass_time(states, seconds, s, dynamics)
            if events.is_query[j]:  # first: a rating must not be predicted from itself
                fill_means(states, prior_mean, means)
                mix(means, states, dynamics.noise[s], beliefs, query, s)
                beliefs.echo[query, s, 0], beliefs.echo[query, s, 1] = echo, echo * before
            if events.is_update[j]:
                add_exposure(state.exposure[s], items, s, events.rows[j])
                fill_prior_mean(state.exposure[s], s, dynamics, prior_mean)
                leisure, widening = at_leisure(events.centred[j], echo, before)
                rating = LearnedRating(events.rows[j], leisure, widening, events.is_trained_on[j])
                update(states, rating, s, items, dynamics, scratch)
        if events.is_update[j]:
            remember(state.recent, float(events.times[j]), events.centred[j])
        query += events.is_query[j]
        last = max(last, events.times[j])


@compiled()
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
        noise = dynamics.noise[s, g] * rating.widening
        variance = noise + spread(cov, item, gain) + added
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
    """Filter n users, each from the prior on; nothing is wanted of what comes after a user's last
    query.
    """
    prior = UserState.prior(dynamics).arrays
    # Not compiled: it would double what the filter takes to compile, and calls take microseconds.
    for user in range(len(spans.starts) - 1):
        first, end = spans.first_query[user : user + 2]
        if first < end:
            state = StateArrays(*(array.copy() for array in prior))
            start, after = spans.starts[user : user + 2]
            last_query = int(np.flatnonzero(events.is_query[start:after])[-1])
            own = slice_events(events, start, start + last_query + 1)
            filter_events(state, -1, own, items, dynamics, slice_beliefs(beliefs, first, end))


@compiled()
def fill_belief(
    state: StateArrays, seconds: float, dynamics: Dynamics, beliefs: UserBeliefs
) -> None:
    """Fill `beliefs`, of one instant, with what is known `seconds` after the state's last rating;
    the state stays as it is.
    """
    S, G, K = state.response.shape[:3]
    prior_mean, means = np.empty(K - 1, f32), np.empty((G, K), f32)
    gap, before = echoed(state.recent, state.recent[0, 0] + seconds)
    for s in range(S):
        # Copies: time passes for the query only, and the next rating may be earlier than `seconds`.
        states = GridStates(state.response[s].copy(), state.cov[s].copy(), state.log_weight[s])
        pass_time(states, seconds, s, dynamics)
        fill_prior_mean(state.exposure[s], s, dynamics, prior_mean)
        fill_means(states, prior_mean, means)
        mix(means, states, dynamics.noise[s], beliefs, np.int64(0), s)
        echo = weight_of(dynamics.echo[s], gap)
        beliefs.echo[0, s, 0], beliefs.echo[0, s, 1] = echo, echo * before
