"""What each rating of a user adds to one prediction: the filter run once forwards and once back.

Given the noise and the size of the session effect, which a grid point fixes, a prediction is an
affine function of the user's ratings. With h the item's row as a linear form of the user's state,
g_j the gain and S_j the variance of the filter's j-th innovation, and m the user's prior mean, one
pass back from l = h has

    c_j = l . g_j / S_j,   l -= h_j c_j,   and l fades with time as the session effect does

so that  h . state = h . m + sum_j c_j (r_j - mu - b_j - h_j . m): c_j times how far a rating is
from what a user would give of whom only m is known. Grid points and draws are averaged with the
weights that the filter has given them.

Without rating j the prediction would move by -c_j (r_j - E[r_j | all other ratings]); the last
factor is u_j / D_j of the smoother's backward recursion (de Jong, *A Cross-Validation Filter for
Time Series Models*, Biometrika 1988; the recursion is that of `smoothing`). Taken as given are the
weights of the grid points, which a rating moves too.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.compute.arrays import FAST_MATH, Floats
from reelstream.compute.compiled import compiled
from reelstream.models.rating.echo import Leisure, find_echoes, leisure_of
from reelstream.models.rating.filter_input import FilterEvents, FilterItems, item_at
from reelstream.models.rating.grid import GridStates, drop_weightless, pass_time
from reelstream.models.rating.kalman import (
    condition,
    correct,
    fill_error,
    fill_mean,
    item_variance,
    spread,
)
from reelstream.models.rating.user_filter import add_exposure, fill_prior_mean
from reelstream.models.rating.user_state import Dynamics, StateArrays

f32 = np.float32


class History(NamedTuple):
    """The ratings of one user in order of time, as the filter takes them; none is a query."""

    events: FilterEvents
    items: FilterItems
    dynamics: Dynamics


class Target(NamedTuple):
    """What is predicted, and from which state."""

    item: Floats
    """(S, D): the item's row in each draw."""
    exposure: Floats
    """(S, D + 1): of the user's state."""
    weights: Floats
    """(S, G): of the grid points of all draws, adding up to one; 0 of those dropped."""
    seconds: float
    """From the last rating to the prediction."""


class Attribution(NamedTuple):
    """What n ratings add to a prediction, in stars."""

    direct: Floats
    """(n,): by their stars, c_j (r_j - mu - b_j - h_j . m), each without its echo."""
    without: Floats
    """(n,): by how much the prediction would move without each, its part in m aside."""
    prior: NDArray[np.float64]
    """(S, D): the derivative of the prediction with respect to the prior mean of each draw."""


class Steps(NamedTuple):
    """The filter's innovations of n ratings, at G grid points."""

    gains: Floats
    """(G, n, K): divided by the variance."""
    errors: Floats
    """(G, n)"""
    variances: Floats
    """(G, n)"""


@compiled()
def attribute(
    history: History, state: StateArrays, target: Target, attribution: Attribution
) -> None:
    """Fill `attribution`, all zeros at first.

    state: that of a user without ratings; it changes in place.
    """
    S, G, K = state.response.shape[:3]
    n = history.events.rows.size
    steps = Steps(np.empty((G, n, K), f32), np.empty((G, n)), np.empty((G, n)))
    prior_mean = np.empty(K - 1, f32)
    events = history.events
    echoes = find_echoes(events.times, events.centred, events.is_update)
    for s in range(S):
        fill_prior_mean(target.exposure[s], s, history.dynamics, prior_mean)
        states = GridStates(state.response[s], state.cov[s], state.log_weight[s])
        leisure = leisure_of(echoes, history.dynamics.echo[s], events.centred)
        filter_draw(s, prior_mean, history, leisure, states, state.exposure[s], steps=steps)
        for g in range(G):
            if target.weights[s, g] > 0.0:
                look_back(
                    (s, g),
                    prior_mean,
                    history,
                    leisure,
                    target,
                    steps=steps,
                    attribution=attribution,
                )


@compiled()
def filter_draw(
    s: int,
    prior_mean: Floats,
    history: History,
    leisure: Leisure,
    states: GridStates,
    exposure: Floats,
    steps: Steps,
) -> None:
    """Fill the steps of draw s at all grid points that have weight, as `filter_events` takes
    them: how uncertain an item is, and how likely a grid point, by the prior mean at the time.
    """
    events, items, dynamics = history
    mean_then, mean = np.empty(prior_mean.size, f32), np.empty(prior_mean.size + 1, f32)
    row = np.empty(prior_mean.size + 1, f32)
    for j in range(events.rows.size):
        pass_time(states, float(events.times[j] - events.times[max(j - 1, 0)]), s, dynamics)
        add_exposure(exposure, items, s, events.rows[j])
        item, item_cov = item_at(items, s, events.rows[j], events.is_trained_on[j])
        fill_prior_mean(exposure, s, dynamics, mean_then)
        added = 0.0
        if not events.is_trained_on[j]:
            likeliest = int(np.argmax(states.log_weight))
            fill_mean(states.response[likeliest], mean_then, mean)
            added = item_variance(mean, states.cov[likeliest], item_cov)
        for g in range(states.log_weight.size):
            if states.log_weight[g] > -np.inf:
                gain, response = steps.gains[g, j], states.response[g]
                noise = dynamics.noise[s, g] * leisure.widening[j]
                variance = noise + spread(states.cov[g], item, gain) + added
                error_then = fill_error(response, mean_then, item, leisure.centred[j], row)
                condition(states.cov[g], gain, variance, dynamics.walk[s])
                correct(response, gain, variance, row)
                for a in range(gain.size):
                    gain[a] /= f32(variance)
                # `row` tells the error for any prior mean.
                error = -row[prior_mean.size]
                for a in range(prior_mean.size):
                    error -= row[a] * prior_mean[a]
                steps.errors[g, j], steps.variances[g, j] = error, variance
                misfit = error_then * error_then / variance
                states.log_weight[g] -= 0.5 * (math.log(variance) + misfit)
        drop_weightless(states.log_weight)


@compiled(fastmath=FAST_MATH)
def look_back(
    at: tuple[int, int],
    prior_mean: Floats,
    history: History,
    leisure: Leisure,
    target: Target,
    steps: Steps,
    attribution: Attribution,
) -> None:
    """Add what each rating adds `at` a draw and one of its grid points."""
    s, g = at
    events, items, dynamics = history
    D = prior_mean.size
    K = D + 1
    rate, weight = dynamics.session_rate[s], target.weights[s, g]
    ahead, h, adjoint = np.ones(K, f32), np.ones(K, f32), np.zeros(K, f32)
    information, onto = np.zeros((K, K), f32), np.empty(K, f32)
    for a in range(1, D):
        ahead[a] = target.item[s, a]
    ahead[D] = math.exp(-rate * target.seconds)
    for j in range(events.rows.size - 1, -1, -1):
        item, _ = item_at(items, s, events.rows[j], events.is_trained_on[j])
        gain, precision = steps.gains[g, j], 1.0 / steps.variances[g, j]
        off = leisure.centred[j] - item[0] - prior_mean[0]
        for a in range(1, D):
            h[a] = item[a]
            off -= h[a] * prior_mean[a]
        coefficient, smoothed, along = 0.0, steps.errors[g, j] * precision, precision
        for a in range(K):
            coefficient += ahead[a] * gain[a]
            smoothed += adjoint[a] * gain[a]
            onto[a] = f32(0)
        for b in range(K):  # row by row, of a symmetric matrix: each step is one on whole vectors
            for a in range(K):
                onto[a] += information[b, a] * gain[b]
        for a in range(K):
            along += gain[a] * onto[a]
        length = f32(along)
        attribution.direct[j] += weight * coefficient * off
        attribution.without[j] -= weight * coefficient * smoothed / along
        for a in range(K):
            ahead[a] -= h[a] * f32(coefficient)
            adjoint[a] -= h[a] * f32(smoothed)
            scaled = h[a] * length - onto[a]
            for b in range(K):
                information[a, b] += scaled * h[b] - h[a] * onto[b]
        if j > 0:
            fade = f32(math.exp(-rate * (events.times[j] - events.times[j - 1])))
            ahead[D] *= fade
            adjoint[D] *= fade
            for a in range(K):
                information[D, a] *= fade
                information[a, D] *= fade
    for a in range(D):
        attribution.prior[s, a] += weight * ahead[a]
