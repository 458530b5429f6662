"""The session effect: a short-lived lift of a user's ratings that the ratings of one session share.

`f_u(t)` is an Ornstein-Uhlenbeck process with covariance `variance exp(-rate |t - t'|)`, variance =
q k_u. In discrete time it is a first-order autoregression, so a Kalman filter gives the likelihood
of a user's residuals with the effect integrated out, and filtering forwards and sampling backwards
draws the effect itself (Carter and Kohn, *On Gibbs sampling for state space models*, Biometrika
1994). Both take one pass over the user's ratings in order of time.

With noise variance n, the filter's variance before a rating, P, and after it, nP / (P + n), would
make every rating wait for the division of the one before. So their ratios are carried instead: `P =
n p / i`, where i is the product of all innovations so far, each over n; then `p' = v (1 - c^2) i +
c^2 p` with v = variance / n, and `i' = p' + i`, without division.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from reelstream.compute.arrays import FAST_MATH, Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.counter_rng import RowKeys, fill_normals, key_of, normal, uniform
from reelstream.engines.kernels.vector_math import exp_minus

# Standard deviation of the random walk on log k_u: about a third of the proposals are accepted.
SCALE_STEP = 0.8
# A product of innovations above it is set back to one, long before it overflows.
_LARGE = 1e100


class TimedRatings(NamedTuple):
    """What n users rated, N ratings in all, each user's in order of time."""

    starts: Ints
    """(n + 1,): where each user's ratings begin."""
    items: Ints
    """(N,) int32: rows of items."""
    centred: Floats
    """(N,) float32: ratings less mu."""
    gaps: Floats
    """(N,) float32: seconds since the user's rating before, infinite at the first."""
    max_ratings: int
    """Of one user."""


class SessionUsers(NamedTuple):
    """What the chain knows of the same n users, and of the items."""

    rows: Floats
    """(n, D) float32"""
    item_rows: Floats
    """(n_items, D) float32"""
    noise_variance: Floats
    """(n,) float64: of one rating."""
    scale: Floats
    """(n,) float64: k_u, by which a user's variance differs."""


class SessionProcess(NamedTuple):
    """The law of the session effect."""

    variance: float
    """q"""
    rate: float
    """Per second."""
    scale_sd: float
    """Standard deviation of log k_u."""


class SessionScratch(NamedTuple):
    """Where the effect of one user is drawn: arrays (n,) or longer, float32."""

    normals: Floats
    """Standard normal."""
    gains: Floats
    effects: Floats
    """Receives the draw."""


@compiled(fastmath=FAST_MATH)
def fill_decays(begin: int, end: int, gaps: Floats, rate: float, decays: Floats) -> None:
    """Fill `decays` with what is left of the effect at each of one user's ratings, `begin` to
    `end`.

    gaps (N,) float32: seconds since the user's rating before, infinite at the first.
    """
    slope = np.float32(rate)
    for j in range(end - begin):
        decays[j] = exp_minus(slope * gaps[begin + j])


@compiled(fastmath=FAST_MATH)
def fill_residuals(u: int, ratings: TimedRatings, users: SessionUsers, residuals: Floats) -> None:
    """Fill `residuals` with what the rows leave of user u's ratings: session effect and noise."""
    items, centred = ratings.items, ratings.centred
    user_rows, item_rows = users.rows, users.item_rows
    begin, end = ratings.starts[u], ratings.starts[u + 1]
    for j in range(end - begin):
        i = items[begin + j]
        v = centred[begin + j] - user_rows[u, 0] - item_rows[i, 0]
        for a in range(1, user_rows.shape[1]):
            v -= user_rows[u, a] * item_rows[i, a]
        residuals[j] = v


@compiled()
def _step(
    filtered: tuple[float, float, float, float, float], v: float, c: float, residual: float
) -> tuple[float, float, float, float, float]:
    """The filter after one more residual: mean, p, i, the weighted squares of its errors, the logs
    of former i.
    """
    mean, p, i, squares, logs = filtered
    p = v * (1.0 - c * c) * i + c * c * p
    error = residual - c * mean
    after = p + i
    inverse = 1.0 / after
    squares += error * error * i * inverse
    mean = c * mean + error * p * inverse
    if after > _LARGE:
        return mean, p * inverse, 1.0, squares, logs + math.log(after)
    return mean, p, after, squares, logs


@compiled()
def log_ratio(
    residuals: Floats,
    noise_variance: float,
    decays: Floats,
    variance: float,
    other_decays: Floats,
    other_variance: float,
) -> float:
    """Log likelihood of one user's residuals (n,) under the second process less that under the
    first.

    The residuals are in order of time; the effects are integrated out. Both filters run side by
    side, where one alone would wait for its own last step.
    """
    v, other_v = variance / noise_variance, other_variance / noise_variance
    one = other = (0.0, 0.0, 1.0, 0.0, 0.0)
    for j in range(residuals.size):
        one = _step(one, v, decays[j], residuals[j])
        other = _step(other, other_v, other_decays[j], residuals[j])
    squares, logs = one[3] - other[3], one[4] - other[4] + math.log(one[2] / other[2])
    return 0.5 * (squares / noise_variance + logs)


@compiled()
def draw_session_effect(
    residuals: Floats,
    decays: Floats,
    noise_variance: float,
    variance: float,
    scratch: SessionScratch,
) -> None:
    """Fill `scratch.effects` with a draw of one user's f, given residuals and decays (n,)."""
    n = residuals.size
    normals, gains, effects = scratch.normals, scratch.gains, scratch.effects
    v = variance / noise_variance
    mean, p, i = 0.0, 0.0, 1.0
    for j in range(n):
        # Given the next effect f', f is normal: mean m + g (f' - c' m), g = c' p / p', variance
        # n p / i (1 - g c').
        c = decays[j]
        before = p
        # At the first rating c is next to nothing, so that P is the process's own variance.
        p = v * (1.0 - c * c) * i + c * c * p
        if j > 0:
            gain = c * before / p
            # Rounding must not make the variance negative.
            left = max(1.0 - gain * c, 0.0)
            gains[j - 1] = gain
            spread = math.sqrt(noise_variance * before / i * left)
            effects[j - 1] = mean * left + spread * normals[j - 1]
        i += p
        mean = c * mean + (residuals[j] - c * mean) * p / i
        if i > _LARGE:
            p /= i
            i = 1.0
    effects[n - 1] = mean + math.sqrt(noise_variance * p / i) * normals[n - 1]
    for j in range(n - 2, -1, -1):
        effects[j] += gains[j] * effects[j + 1]


@compiled()
def log_ratios(
    thread: int,
    threads: int,
    ratings: TimedRatings,
    users: SessionUsers,
    process: SessionProcess,
    other: SessionProcess,
    out: Floats,
) -> None:
    """Fill `out` (n,) with every user's `log_ratio` of the `other` process against the first."""
    starts, gaps = ratings.starts, ratings.gaps
    residuals = np.empty(ratings.max_ratings, np.float32)
    decays = np.empty(ratings.max_ratings, np.float32)
    other_decays = np.empty(ratings.max_ratings, np.float32)
    for u in range(thread, starts.size - 1, threads):
        begin, end = starts[u], starts[u + 1]
        fill_residuals(u, ratings, users, residuals)
        fill_decays(begin, end, gaps, process.rate, decays)
        fill_decays(begin, end, gaps, other.rate, other_decays)
        variance, other_variance = (
            process.variance * users.scale[u],
            other.variance * users.scale[u],
        )
        out[u] = log_ratio(
            residuals[: end - begin],
            users.noise_variance[u],
            decays,
            variance,
            other_decays,
            other_variance,
        )


@compiled()
def draw_session_effects(
    thread: int,
    threads: int,
    ratings: TimedRatings,
    users: SessionUsers,
    process: SessionProcess,
    keys: tuple[RowKeys, RowKeys],
    targets: Floats,
) -> None:
    """Draw every user's k_u by Metropolis with the effect integrated out, then the effect.

    keys: those of the k_u, and of the effects. Written: `users.scale`, the k_u, and targets (N,),
    the centred ratings without the effect. The prior is log k_u ~ N(0, scale_sd^2).
    """
    scale_keys, effect_keys = keys
    starts, centred, longest = ratings.starts, ratings.centred, ratings.max_ratings
    scale, noise_variance = users.scale, users.noise_variance
    residuals, decays = np.empty(longest, np.float32), np.empty(longest, np.float32)
    normals, effects = np.empty(longest, np.float32), np.empty(longest, np.float32)
    scratch = SessionScratch(normals, np.empty(longest, np.float32), effects)
    variance, scale_sd = process.variance, process.scale_sd
    for u in range(thread, starts.size - 1, threads):
        begin, end = starts[u], starts[u + 1]
        n = end - begin
        fill_residuals(u, ratings, users, residuals)
        fill_decays(begin, end, ratings.gaps, process.rate, decays)
        key = key_of(scale_keys.stream, scale_keys.rows[u])
        noise, proposed = noise_variance[u], scale[u] * math.exp(SCALE_STEP * normal(key, 0))
        gain = log_ratio(
            residuals[:n], noise, decays, variance * scale[u], decays, variance * proposed
        )
        gain -= (math.log(proposed) ** 2 - math.log(scale[u]) ** 2) / (2.0 * scale_sd * scale_sd)
        # The normal has used up uniforms 0 and 1 of the key.
        if math.log(uniform(key, 2)) < gain:
            scale[u] = proposed
        fill_normals(key_of(effect_keys.stream, effect_keys.rows[u]), normals[:n])
        draw_session_effect(residuals[:n], decays, noise, variance * scale[u], scratch)
        for j in range(n):
            targets[begin + j] = centred[begin + j] - effects[j]
