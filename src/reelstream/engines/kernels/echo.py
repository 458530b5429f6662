"""The echo of the rating before, in the chain: see `models.rating.echo`."""

from __future__ import annotations

import numpy as np

from reelstream.compute.arrays import Floats
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.counter_rng import RowKeys, fill_normals, key_of
from reelstream.engines.kernels.session_effect import (
    SessionProcess,
    SessionScratch,
    SessionUsers,
    TimedRatings,
    draw_session_effect,
    fill_decays,
    fill_residuals,
)
from reelstream.models.rating.echo import at_leisure, echoed, forget, remember, weight_of


@compiled()
def fill_leisure(
    thread: int, threads: int, ratings: TimedRatings, weights: Floats, leisure: Floats
) -> None:
    """Fill `leisure` (N,), float32, with the centred ratings without their echoes, at weights
    (N_GAPS,).
    """
    starts, centred, gaps = ratings.starts, ratings.centred, ratings.gaps
    recent = np.empty((2, 3))
    for u in range(thread, starts.size - 1, threads):
        time = 0.0
        forget(recent)
        for j in range(starts[u], starts[u + 1]):
            if j > starts[u]:
                time += gaps[j]
            gap, before = echoed(recent, time)
            leisure[j], _ = at_leisure(centred[j], weight_of(weights, gap), before)
            remember(recent, time, centred[j])


@compiled()
def fill_echo_sums(
    thread: int,
    threads: int,
    ratings: TimedRatings,
    leisure: TimedRatings,
    users: SessionUsers,
    session: tuple[SessionProcess, RowKeys],
    sums: Floats,
) -> None:
    """Fill sums (n, N_GAPS, 2), float64, with what each user's ratings say of every weight: the
    sums of x^2 and of x y over the variance of the noise.

    A rating is `y = w x + e`, both less what the user would give, of which the session effect is
    drawn for the purpose. leisure: the same ratings without their echoes at the present weights;
    session: the law of the effect, and what keys its draws.
    """
    process, keys = session
    starts, centred, gaps = ratings.starts, ratings.centred, ratings.gaps
    longest = ratings.max_ratings
    residuals, decays = np.empty(longest, np.float32), np.empty(longest, np.float32)
    normals, effects = np.empty(longest, np.float32), np.empty(longest, np.float32)
    scratch = SessionScratch(normals, np.empty(longest, np.float32), effects)
    recent = np.empty((2, 3))
    for u in range(thread, starts.size - 1, threads):
        begin, n = starts[u], starts[u + 1] - starts[u]
        fill_residuals(u, leisure, users, residuals)
        fill_decays(begin, begin + n, gaps, process.rate, decays)
        fill_normals(key_of(keys.stream, keys.rows[u]), normals[:n])
        noise, variance = users.noise_variance[u], process.variance * users.scale[u]
        draw_session_effect(residuals[:n], decays, noise, variance, scratch)
        sums[u] = 0.0
        time = 0.0
        forget(recent)
        for j in range(n):
            if j > 0:
                time += gaps[begin + j]
            gap, before = echoed(recent, time)
            if gap >= 0:
                expected = leisure.centred[begin + j] - residuals[j] + effects[j]
                x, y = before - expected, centred[begin + j] - expected
                sums[u, gap, 0] += x * x / noise
                sums[u, gap, 1] += x * y / noise
            remember(recent, time, centred[begin + j])
