"""Gram matrices of [x, y] over the ratings of a row, the first half of drawing it: see `row_draws`.

Rows are passed as (array, row) and not as slices: a slice counts references to its array, and two
threads that count on one counter are four times slower.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from reelstream.compute.arrays import FAST_MATH, Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.lane_solver import LANES, PASS, Lanes

# Ratings that one call of BLAS takes: their design still lies in the fastest cache.
CHUNK = 256
# Rows with at most so many ratings are not worth a call of BLAS each: their Gram matrices are added
# up side by side. What a row gets depends on its own ratings alone, not on who is beside it.
FEW_RATINGS = 2 * PASS


class RowRatings(NamedTuple):
    """The ratings of n rows of one side, grouped by row: N ratings."""

    starts: Ints
    """(n + 1,): where each row's ratings begin."""
    others: Ints
    """(N,): rows of the other side."""
    targets: Floats
    """(N,): ratings less mu and session effect."""
    regressors: Floats
    """(n_other, D + 1): the other side, by `fill_regressors`."""


class Chunk(NamedTuple):
    """Scratch of one thread for the Gram matrix of a few ratings."""

    design: Floats
    """(CHUNK, D + 1)"""
    gram: Floats
    """(D + 1, D + 1)"""


@compiled(inline="always")
def chunk_of(D: int) -> Chunk:
    return Chunk(np.empty((CHUNK, D + 1), np.float32), np.empty((D + 1, D + 1), np.float32))


@compiled(fastmath=FAST_MATH)
def fill_gram(row: int, ratings: RowRatings, chunk: Chunk, grams: Floats, lane: int) -> None:
    """Fill the lower half of `grams[:, :, lane]`: the weighted Gram matrix of [x, y] over a row's
    ratings.
    """
    others, targets, regressors = ratings.others, ratings.targets, ratings.regressors
    design, part = chunk.design, chunk.gram
    begin, end = ratings.starts[row], ratings.starts[row + 1]
    D = regressors.shape[1] - 1
    if begin == end:
        for a in range(D + 1):
            for b in range(a + 1):
                grams[a, b, lane] = 0
    for first in range(begin, end, CHUNK):
        m = min(CHUNK, end - first)
        for j in range(m):
            o = others[first + j]
            for a in range(D):
                design[j, a] = regressors[o, a]
            design[j, D] = regressors[o, 0] * targets[first + j] - regressors[o, D]
        np.dot(design[:m].T, design[:m], part)
        for a in range(D + 1):
            for b in range(a + 1):
                grams[a, b, lane] = part[a, b] + (grams[a, b, lane] if first > begin else 0)


@compiled(fastmath=FAST_MATH, inline="always")
def _fill_design(first: int, begin: int, ratings: RowRatings, design: Floats) -> bool:
    """Fill design (PASS, D + 1, LANES) with the ratings from number `begin` on of the rows from
    `first` on that have few; zeros for all others. Whether there are any.
    """
    starts, others, targets, regressors = ratings
    D = regressors.shape[1] - 1
    n = min(design.shape[2], starts.size - 1 - first)
    design[:] = 0
    found = False
    for k in range(n):
        count = starts[first + k + 1] - starts[first + k]
        if count <= FEW_RATINGS:
            for j in range(begin, min(begin + PASS, count)):
                found = True
                at = starts[first + k] + j
                o = others[at]
                for a in range(D):
                    design[j - begin, a, k] = regressors[o, a]
                design[j - begin, D, k] = regressors[o, 0] * targets[at] - regressors[o, D]
    return found


@compiled(fastmath=FAST_MATH, inline="always")
def fill_grams(first: int, ratings: RowRatings, chunk: Chunk, lanes: Lanes) -> None:
    """Fill the lower halves of `lanes.grams` for the rows from `first` on: see `fill_gram`."""
    grams, design = lanes.grams, lanes.design
    starts = ratings.starts
    for begin in range(0, FEW_RATINGS, PASS):
        if not _fill_design(first, begin, ratings, design) and begin > 0:
            break
        keep = np.float32(1.0) if begin > 0 else np.float32(0.0)
        for a in range(grams.shape[0]):
            for b in range(a + 1):
                for k in range(grams.shape[2]):
                    grams[a, b, k] = (
                        keep * grams[a, b, k]
                        + design[0, a, k] * design[0, b, k]
                        + design[1, a, k] * design[1, b, k]
                        + design[2, a, k] * design[2, b, k]
                        + design[3, a, k] * design[3, b, k]
                    )
    for k in range(min(LANES, starts.size - 1 - first)):
        if starts[first + k + 1] - starts[first + k] > FEW_RATINGS:
            fill_gram(first + k, ratings, chunk, grams, k)
