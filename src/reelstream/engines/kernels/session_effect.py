"""Mood: a short-lived lift of a user's ratings that the ratings of one sitting share.

`f_u(t)` is an Ornstein-Uhlenbeck process with covariance `variance exp(-rate |t - t'|)`, variance =
q k_u. In discrete time it is a first-order autoregression, so a Kalman filter gives the likelihood
of a user's residuals with the mood integrated out, and filtering forwards and sampling backwards
draws the mood itself (Carter and Kohn, *On Gibbs sampling for state space models*, Biometrika
1994); both take one pass over the user's ratings in order of time.

With noise variance n, the filter's variance before a rating, P, and after it, nP / (P + n), would
make every rating wait for the division of the one before. So their ratios are carried instead:
`P = n p / i`, where i is the product of all innovations so far, each over n; then
`p' = v (1 - c^2) i + c^2 p` with v = variance / n, and `i' = p' + i`, without division.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from reelstream.compute.arrays import FAST_MATH, Floats, Ints
from reelstream.engines.kernels.counter_rng import fill_normals, key_of, normal, uniform
from reelstream.engines.kernels.vector_math import exp_minus

SCALE_STEP = 0.8
"""Standard deviation of the random walk on log k_u: about a third of the proposals are taken."""
_LARGE = 1e100
"""A product of innovations above it is set back to one."""


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def fill_decays(begin: int, end: int, gaps: Floats, rate: float, decays: Floats) -> None:
    """Fill `decays` with what is left of a mood at each of one user's ratings, `begin` to `end`,
    since the one before.

    gaps (N,) float32: seconds since the user's rating before, infinite at the first.
    """
    slope = np.float32(rate)
    for j in range(end - begin):
        decays[j] = exp_minus(slope * gaps[begin + j])


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def fill_residuals(
    u: int,
    begin: int,
    end: int,
    items: Ints,
    centred: Floats,
    user_rows: Floats,
    item_rows: Floats,
    residuals: Floats,
) -> None:
    """Fill `residuals` with what the rows leave of user u's ratings, `begin` to `end`: mood and
    noise.
    """
    for j in range(end - begin):
        i = items[begin + j]
        v = centred[begin + j] - user_rows[u, 0] - item_rows[i, 0]
        for a in range(1, user_rows.shape[1]):
            v -= user_rows[u, a] * item_rows[i, a]
        residuals[j] = v


@njit(cache=True, nogil=True)
def _step(
    filtered: tuple[float, float, float, float, float], v: float, c: float, residual: float
) -> tuple[float, float, float, float, float]:
    """The filter after one more residual: its mean, p, i, the weighted squares of its errors, the
    logs of former i.
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


@njit(cache=True, nogil=True)
def log_ratio(
    residuals: Floats,
    noise_variance: float,
    decays: Floats,
    variance: float,
    other_decays: Floats,
    other_variance: float,
) -> float:
    """Log of how much likelier one user's residuals (n,), in order of time, are under the second
    mood than under the first.

    The moods are integrated out. Both filters run side by side, where one alone would wait for its
    own last step.
    """
    v, other_v = variance / noise_variance, other_variance / noise_variance
    one = other = (0.0, 0.0, 1.0, 0.0, 0.0)
    for j in range(residuals.size):
        one = _step(one, v, decays[j], residuals[j])
        other = _step(other, other_v, other_decays[j], residuals[j])
    squares, logs = one[3] - other[3], one[4] - other[4] + math.log(one[2] / other[2])
    return 0.5 * (squares / noise_variance + logs)


@njit(cache=True, nogil=True)
def draw_session_effect(
    residuals: Floats,
    decays: Floats,
    noise_variance: float,
    variance: float,
    normals: Floats,
    gains: Floats,
    moods: Floats,
) -> None:
    """Fill `moods` with a draw of one user's f. All (n,); normals: standard normal; gains:
    scratch.
    """
    n = residuals.size
    v = variance / noise_variance
    mean, p, i = 0.0, 0.0, 1.0
    for j in range(n):
        # Given the next mood f', f is normal: mean m + g (f' - c' m), g = c' p / p', variance n p /
        # i (1 - g c').
        c = decays[j]
        before = p
        p = v * (1.0 - c * c) * i + c * c * p
        if j > 0:
            gain = c * before / p
            left = max(1.0 - gain * c, 0.0)
            gains[j - 1] = gain
            moods[j - 1] = (
                mean * left + math.sqrt(noise_variance * before / i * left) * normals[j - 1]
            )
        i += p
        mean = c * mean + (residuals[j] - c * mean) * p / i
        if i > _LARGE:
            p /= i
            i = 1.0
    moods[n - 1] = mean + math.sqrt(noise_variance * p / i) * normals[n - 1]
    for j in range(n - 2, -1, -1):
        moods[j] += gains[j] * moods[j + 1]


@njit(cache=True, nogil=True)
def log_ratios(
    thread: int,
    threads: int,
    longest: int,
    chosen: Ints,
    starts: Ints,
    items: Ints,
    centred: Floats,
    gaps: Floats,
    user_rows: Floats,
    item_rows: Floats,
    noise_variances: Floats,
    scale: Floats,
    variance: float,
    rate: float,
    other_variance: float,
    other_rate: float,
    out: Floats,
) -> None:
    """Fill `out` with the `log_ratio` of every chosen user, of the other (variance, rate) against
    the first.

    chosen: rows of users; items (N,) int32, centred and gaps (N,) float32: what the users of starts
    (n_users + 1,) rated, each in order of time, at most `longest` ratings; noise_variances and
    scale (n_users,): of a rating, and the k_u by which a user's variance differs; rates per second.
    """
    residuals, decays = np.empty(longest, np.float32), np.empty(longest, np.float32)
    other_decays = np.empty(longest, np.float32)
    for c in range(thread, chosen.size, threads):
        u = chosen[c]
        begin, end = starts[u], starts[u + 1]
        n = end - begin
        fill_residuals(u, begin, end, items, centred, user_rows, item_rows, residuals)
        fill_decays(begin, end, gaps, rate, decays)
        fill_decays(begin, end, gaps, other_rate, other_decays)
        out[c] = log_ratio(
            residuals[:n],
            noise_variances[u],
            decays,
            variance * scale[u],
            other_decays,
            other_variance * scale[u],
        )


@njit(cache=True, nogil=True)
def draw_session_effects(
    thread: int,
    threads: int,
    longest: int,
    starts: Ints,
    items: Ints,
    centred: Floats,
    gaps: Floats,
    user_rows: Floats,
    item_rows: Floats,
    noise_variances: Floats,
    scale: Floats,
    scale_sd: float,
    variance: float,
    rate: float,
    scale_stream: np.uint64,
    mood_stream: np.uint64,
    ids: Ints,
    targets: Floats,
) -> None:
    """Draw every user's k_u by Metropolis with the mood integrated out, then the mood; arrays as
    `log_ratios`.

    Written: scale (n_users,), the k_u, and targets (N,): `centred` without the mood. log k_u ~ N(0,
    scale_sd^2).
    """
    residuals, decays, normals = (
        np.empty(longest, np.float32),
        np.empty(longest, np.float32),
        np.empty(longest, np.float32),
    )
    gains, moods = np.empty(longest, np.float32), np.empty(longest, np.float32)
    for u in range(thread, starts.size - 1, threads):
        begin, end = starts[u], starts[u + 1]
        n = end - begin
        fill_residuals(u, begin, end, items, centred, user_rows, item_rows, residuals)
        fill_decays(begin, end, gaps, rate, decays)
        key = key_of(scale_stream, ids[u])
        proposed = scale[u] * math.exp(SCALE_STEP * normal(key, 0))
        gain = log_ratio(
            residuals[:n],
            noise_variances[u],
            decays,
            variance * scale[u],
            decays,
            variance * proposed,
        )
        gain -= (math.log(proposed) ** 2 - math.log(scale[u]) ** 2) / (2.0 * scale_sd * scale_sd)
        if math.log(uniform(key, 2)) < gain:
            scale[u] = proposed
        fill_normals(key_of(mood_stream, ids[u]), normals[:n])
        draw_session_effect(
            residuals[:n], decays, noise_variances[u], variance * scale[u], normals, gains, moods
        )
        for j in range(n):
            targets[begin + j] = centred[begin + j] - moods[j]
