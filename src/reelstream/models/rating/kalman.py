"""The steps of one Kalman filter: time passes, a rating is predicted, the state learns it.

A state is `[bias, factors, session effect]`, K = D + 1 numbers; an item's row, D, its bias first.
States are float32, on which vector instructions do twice as much as on float64: an update rounds at
1e-7 where noise is 1, and thousands of them stay far within a thousandth of the exact answer.
"""

from __future__ import annotations

import math

import numpy as np

from reelstream.compute.arrays import EXACT_MATH, Floats
from reelstream.compute.compiled import compiled
from reelstream.models.rating.user_state import SECONDS_PER_YEAR

f32 = np.float32


@compiled(fastmath=EXACT_MATH)
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


@compiled(fastmath=EXACT_MATH)
def expect(mean: Floats, item: Floats) -> float:
    """The mean of `b_i + h . state` for an item's row (D,), where h = [1, factors, 1]."""
    D = item.size
    value = item[0] + mean[0] + mean[D]
    for a in range(1, D):
        value += item[a] * mean[a]
    return float(value)


@compiled(fastmath=EXACT_MATH)
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


@compiled(fastmath=EXACT_MATH)
def fill_mean(response: Floats, prior_mean: Floats, mean: Floats) -> None:
    """Fill mean (K,): that of a state with this response (K, D + 1), given the prior mean (D,)."""
    K, D = mean.size, prior_mean.size
    for a in range(K):
        total = response[a, D]
        for b in range(D):
            total += response[a, b] * prior_mean[b]
        mean[a] = total


@compiled(fastmath=EXACT_MATH)
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


@compiled(fastmath=EXACT_MATH)
def item_variance(mean: Floats, cov: Floats, item_cov: Floats) -> float:
    """Variance that an item's own uncertainty (D, D) adds: `E[x' C x]`, x = [1, the user's
    factors].
    """
    D = item_cov.shape[0]
    # Column by column, and these together at the end: a step on whole vectors each, which takes
    # less than half the time of one long sum.
    columns = np.empty(D, mean.dtype)
    for b in range(1, D):
        columns[b] = f32(2) * item_cov[0, b] * mean[b]
    for a in range(1, D):
        for b in range(1, D):
            columns[b] += item_cov[a, b] * (mean[a] * mean[b] + cov[a, b])
    total = item_cov[0, 0]
    for b in range(1, D):
        total += columns[b]
    return float(total)


@compiled(fastmath=EXACT_MATH)
def condition(cov: Floats, gain: Floats, innovation: float, walk: Floats) -> None:
    """Condition one covariance on a measurement of variance `innovation` (Kalman's step), then let
    the taste walk.
    """
    for a in range(gain.size):
        step = gain[a] / f32(innovation)
        for b in range(gain.size):
            cov[a, b] += walk[a, b] - step * gain[b]


@compiled(fastmath=EXACT_MATH)
def correct(response: Floats, gain: Floats, innovation: float, row: Floats) -> None:
    """Condition one response (K, D + 1) on a measurement; `row` as `fill_error` left it."""
    for a in range(gain.size):
        step = gain[a] / f32(innovation)
        for b in range(row.size):
            response[a, b] -= step * row[b]
