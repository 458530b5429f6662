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
def log_likelihood(times: Ints, residuals: Floats, weight: float, variance: float, rate: float) -> float:
    """Of one user's residuals (float32), in order of time (seconds, int64), with the mood integrated out.

    The noise of a rating has variance 1 / weight; rate is per second. Up to a constant.
    """
    mean = 0.0
    spread = variance
    total = 0.0
    for j in range(times.size):
        if j > 0:
            c = math.exp(-rate * (times[j] - times[j - 1]))
            mean *= c
            spread = c * c * spread + variance * (1.0 - c * c)
        innovation = spread + 1.0 / weight
        error = residuals[j] - mean
        total -= 0.5 * (math.log(innovation) + error * error / innovation)
        mean += spread / innovation * error
        spread /= weight * innovation
    return total


@njit(cache=True, nogil=True)
def draw_mood(
    times: Ints,
    residuals: Floats,
    weight: float,
    variance: float,
    rate: float,
    noise: Floats,
    mood: Floats,
    spread: Floats,
) -> None:
    """Fill `mood` with a draw of f at one user's ratings. noise: as many normals; spread: scratch of the same length."""
    n = times.size
    for j in range(n):  # forwards: mood holds the filtered mean, spread the filtered variance
        predicted, prior = 0.0, variance
        if j > 0:
            c = math.exp(-rate * (times[j] - times[j - 1]))
            predicted = c * mood[j - 1]
            prior = c * c * spread[j - 1] + variance * (1.0 - c * c)
        innovation = prior + 1.0 / weight
        mood[j] = predicted + prior / innovation * (residuals[j] - predicted)
        spread[j] = prior / (weight * innovation)
    for j in range(n - 1, -1, -1):  # backwards: each given the one drawn after it
        if j < n - 1:
            c = math.exp(-rate * (times[j + 1] - times[j]))
            prior = c * c * spread[j] + variance * (1.0 - c * c)
            gain = c * spread[j] / prior
            mood[j] += gain * (mood[j + 1] - c * mood[j])
            spread_given_next = spread[j] - gain * gain * prior
        else:
            spread_given_next = spread[j]
        mood[j] += math.sqrt(max(spread_given_next, 0.0)) * noise[j]


@njit(cache=True, nogil=True, parallel=True)
def log_likelihoods(
    starts: Ints,
    times: Ints,
    residuals: Floats,
    weight: Floats,
    scale: Floats,
    variance: float,
    rate: float,
    threads: int,
    out: Floats,
) -> None:
    """Fill `out` (n_users,) float64 with each user's `log_likelihood`; the variance of user u is variance * scale[u]."""
    for thread in prange(threads):
        for u in range(thread, starts.size - 1, threads):
            s = slice(starts[u], starts[u + 1])
            out[u] = log_likelihood(times[s], residuals[s], weight[u], variance * scale[u], rate)


@njit(cache=True, nogil=True, parallel=True)
def draw_moods(
    starts: Ints,
    times: Ints,
    residuals: Floats,
    weight: Floats,
    scale: Floats,
    scale_sd: float,
    variance: float,
    rate: float,
    scale_stream: np.uint64,
    mood_stream: np.uint64,
    ids: Ints,
    scratch: Floats,
    moods: Floats,
) -> None:
    """Draw every user's k_u by Metropolis with the mood integrated out, then the mood.

    Written: scale (n_users,) float64, the k_u, and moods (n_ratings,) float32. log k_u ~ N(0, scale_sd^2). scratch
    (threads, 2, longest history) float64.
    """
    threads = scratch.shape[0]
    for thread in prange(threads):
        for u in range(thread, starts.size - 1, threads):
            s = slice(starts[u], starts[u + 1])
            n = starts[u + 1] - starts[u]
            key = key_of(scale_stream, ids[u])
            proposed = scale[u] * math.exp(SCALE_STEP * normal(key, 0))
            gain = log_likelihood(times[s], residuals[s], weight[u], variance * proposed, rate) - log_likelihood(
                times[s], residuals[s], weight[u], variance * scale[u], rate
            )
            gain -= (math.log(proposed) ** 2 - math.log(scale[u]) ** 2) / (2.0 * scale_sd * scale_sd)
            if math.log(uniform(key, 2)) < gain:
                scale[u] = proposed
            noise = scratch[thread, 0, :n]
            fill_normals(key_of(mood_stream, ids[u]), noise)
            draw_mood(times[s], residuals[s], weight[u], variance * scale[u], rate, noise, moods[s], scratch[thread, 1])
