"""Mood: a short-lived lift of a user's ratings that the ratings of one sitting share.

`f_u(t)` is an Ornstein-Uhlenbeck process with covariance `variance exp(-rate |t - t'|)`, variance = q k_u. In discrete time
it is a first-order autoregression, so a Kalman filter gives the likelihood of a user's residuals with the mood integrated
out, and filtering forwards and sampling backwards draws the mood itself (Carter and Kohn, *On Gibbs sampling for state space
models*, Biometrika 1994); both take one pass over the user's ratings in order of time.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from reelstream.models.arrays import Floats, Ints
from reelstream.models.noise import fill_normals, key_of, normal, uniform

SCALE_STEP = 0.8
"""Standard deviation of the random walk on log k_u: about a third of the proposals are taken."""


@njit(cache=True, nogil=True)
def fill_decays(begin: int, end: int, times: Ints, rate: float, decays: Floats) -> None:
    """Fill `decays` with what is left of a mood at each of one user's ratings, `begin` to `end`, since the one before."""
    decays[0] = 0.0
    for j in range(begin + 1, end):
        decays[j - begin] = math.exp(-rate * (times[j] - times[j - 1]))


@njit(cache=True, nogil=True)
def log_likelihood(
    begin: int, end: int, decays: Floats, residuals: Floats, noise_variance: float, variance: float
) -> float:
    """Of one user's residuals, `begin` to `end` in order of time, with the mood integrated out; up to a constant."""
    mean = 0.0
    spread = variance
    total = 0.0
    product = 1.0  # of innovations: one logarithm for many
    for j in range(begin, end):
        c = decays[j - begin]
        mean *= c
        spread = variance + c * c * (spread - variance)
        innovation = spread + noise_variance
        error = residuals[j] - mean
        gain = spread / innovation
        total += error * error / innovation
        product *= innovation
        if not 1e-100 < product < 1e100:
            total += math.log(product)
            product = 1.0
        mean += gain * error
        spread = gain * noise_variance
    return -0.5 * (total + math.log(product))


@njit(cache=True, nogil=True)
def draw_mood(
    begin: int,
    end: int,
    decays: Floats,
    residuals: Floats,
    noise_variance: float,
    variance: float,
    normals: Floats,
    moods: Floats,
    spread: Floats,
) -> None:
    """Fill `moods` from `begin` to `end` with a draw of f. normals: one for each; spread: scratch of the same length."""
    n = end - begin
    for j in range(n):  # forwards: moods holds the filtered mean, spread the filtered variance
        predicted, prior = 0.0, variance
        if j > 0:
            predicted = decays[j] * moods[begin + j - 1]
            prior += decays[j] ** 2 * (spread[j - 1] - variance)
        gain = prior / (prior + noise_variance)
        moods[begin + j] = predicted + gain * (residuals[begin + j] - predicted)
        spread[j] = gain * noise_variance
    for j in range(n - 1, -1, -1):  # backwards: each given the one drawn after it
        left = spread[j]
        if j < n - 1:
            c = decays[j + 1]
            prior = variance + c * c * (left - variance)
            gain = c * left / prior
            moods[begin + j] += gain * (moods[begin + j + 1] - c * moods[begin + j])
            left -= gain * gain * prior
        moods[begin + j] += math.sqrt(max(left, 0.0)) * normals[j]


@njit(cache=True, nogil=True, parallel=True)
def log_likelihoods(
    threads: int,
    longest: int,
    starts: Ints,
    times: Ints,
    residuals: Floats,
    noise_variances: Floats,
    scale: Floats,
    variance: float,
    rate: float,
    out: Floats,
) -> None:
    """Fill `out` (n_users,) with each user's `log_likelihood`; the variance of user u is variance * scale[u].

    starts (n_users + 1,), times in seconds and residuals, both (N,): a user's ratings, at most `longest`, in order of
    time; noise_variances (n_users,): of a rating; rate per second.
    """
    for thread in prange(threads):
        decays = np.empty(longest)
        for u in range(thread, starts.size - 1, threads):
            fill_decays(starts[u], starts[u + 1], times, rate, decays)
            out[u] = log_likelihood(
                starts[u], starts[u + 1], decays, residuals, noise_variances[u], variance * scale[u]
            )


@njit(cache=True, nogil=True, parallel=True)
def draw_moods(
    threads: int,
    longest: int,
    starts: Ints,
    times: Ints,
    residuals: Floats,
    noise_variances: Floats,
    scale: Floats,
    scale_sd: float,
    variance: float,
    rate: float,
    scale_stream: np.uint64,
    mood_stream: np.uint64,
    ids: Ints,
    moods: Floats,
) -> None:
    """Draw every user's k_u by Metropolis with the mood integrated out, then the mood; arrays as `log_likelihoods`.

    Written: scale (n_users,), the k_u, and moods (N,). log k_u ~ N(0, scale_sd^2).
    """
    for thread in prange(threads):
        decays, normals, spread = np.empty(longest), np.empty(longest), np.empty(longest)
        for u in range(thread, starts.size - 1, threads):
            begin, end = starts[u], starts[u + 1]
            fill_decays(begin, end, times, rate, decays)
            key = key_of(scale_stream, ids[u])
            proposed = scale[u] * math.exp(SCALE_STEP * normal(key, 0))
            gain = log_likelihood(begin, end, decays, residuals, noise_variances[u], variance * proposed)
            gain -= log_likelihood(begin, end, decays, residuals, noise_variances[u], variance * scale[u])
            gain -= (math.log(proposed) ** 2 - math.log(scale[u]) ** 2) / (2.0 * scale_sd * scale_sd)
            if math.log(uniform(key, 2)) < gain:
                scale[u] = proposed
            fill_normals(key_of(mood_stream, ids[u]), normals[: end - begin])
            draw_mood(begin, end, decays, residuals, noise_variances[u], variance * scale[u], normals, moods, spread)
