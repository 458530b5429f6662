"""The posterior of one row given the other side: the heart of the fit.

A row is `w = [bias, factors]`, D numbers. Its ratings are `y_j = w . x_j + e_j` with
`x_j = [1, factors of the other row]`, `e_j ~ N(0, 1 / weight_j)`, where the other row's bias is
already taken off `y_j`; its prior is `N(m, inv(L))`. So its posterior is normal with precision
`A = L + sum(weight x x')` and mean `inv(A) (L m + sum(weight x y))` (Salakhutdinov and Mnih,
*Bayesian Probabilistic Matrix Factorization using MCMC*, ICML 2008). Rows of one side are
independent of each other given the other side: they are drawn in parallel, over threads here and
over machines on a cluster.

The work is in two parts. The Gram matrix of [x, y] over a row's ratings is gathered and given to
BLAS. What follows, the factor of A and the solves, is too small for LAPACK, whose call costs more
than its arithmetic: it is written out, for LANES rows side by side, so that every operation is one
on whole vectors.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reelstream.compute.arrays import FAST_MATH, Floats, Ints
from reelstream.engines.kernels.counter_rng import fill_lanes, key_of

LANES = 32
"""Rows that are solved side by side: the last axis of every array of the solve."""
CHUNK = 256
"""Ratings that one call of BLAS takes: their design still lies in the fastest cache."""


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def fill_regressors(
    thread: int, threads: int, rows: Floats, root_weight: Floats, regressors: Floats
) -> None:
    """Fill regressors (n, D+1), what the other side sees of rows (n, D): root_weight [1, factors,
    bias].
    """
    D = rows.shape[1]
    for row in range(thread, rows.shape[0], threads):
        w = root_weight[row]
        regressors[row, 0] = w
        for a in range(1, D):
            regressors[row, a] = w * rows[row, a]
        regressors[row, D] = w * rows[row, 0]


# Rows are passed as (array, row) and not as slices: a slice counts references to its array, and two
# threads that count on one counter are four times slower.


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _fill_gram(
    begin: int,
    end: int,
    others: Ints,
    targets: Floats,
    regressors: Floats,
    design: Floats,
    part: Floats,
    grams: Floats,
    lane: int,
) -> None:
    """Fill the lower half of `grams[:, :, lane]`: the weighted Gram matrix of [x, y] over the
    ratings `begin` to `end`.

    Scratch: design (CHUNK, D+1) and part (D+1, D+1).
    """
    D = regressors.shape[1] - 1
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
                grams[a, b, lane] += part[a, b]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _fill_system(
    first: int,
    n: int,
    precision: Floats,
    prior_terms: Floats,
    weight: Floats,
    grams: Floats,
    factors: Floats,
) -> None:
    """Fill factors (D+1, D, LANES) with A, and below it its right-hand side, of the rows from
    `first` on.

    Lanes behind row n repeat what the last row has: they are solved and not used.
    """
    D = precision.shape[0]
    for a in range(D + 1):
        for b in range(min(a + 1, D)):
            for k in range(factors.shape[2]):
                row = min(first + k, n - 1)
                prior = precision[a, b] if a < D else prior_terms[row, b]
                factors[a, b, k] = prior + weight[row] * grams[a, b, k]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _factorize(factors: Floats, pivots: Floats) -> None:
    """Replace A in factors (D+1, D, LANES) by its lower Cholesky factor C with the diagonal
    inverted, b below it by inv(C) b.

    To factorize A bordered by b is to solve for b forwards on the way. Scratch: pivots (D+1,
    LANES), one column of the factor: read from an array that nothing is written to meanwhile, it
    makes the inner loop vector code.
    """
    D = factors.shape[1]
    for b in range(D):
        for k in range(factors.shape[2]):
            pivots[b, k] = np.float32(1.0) / math.sqrt(factors[b, b, k])
            factors[b, b, k] = pivots[b, k]
        for a in range(b + 1, D + 1):
            for k in range(factors.shape[2]):
                pivots[a, k] = factors[a, b, k] * pivots[b, k]
                factors[a, b, k] = pivots[a, k]
        for a in range(b + 1, D + 1):
            for c in range(b + 1, min(a + 1, D)):
                for k in range(factors.shape[2]):
                    factors[a, c, k] -= pivots[a, k] * pivots[c, k]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _solve_backwards(factors: Floats, z: Floats) -> None:
    """Replace z (D, LANES) by inv(C') z."""
    for b in range(z.shape[0] - 1, -1, -1):
        for k in range(z.shape[1]):
            z[b, k] *= factors[b, b, k]
        for a in range(b):
            for k in range(z.shape[1]):
                z[a, k] -= factors[b, a, k] * z[b, k]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _draw_lanes(
    keys: NDArray[np.uint64], factors: Floats, pivots: Floats, drawn: Floats, mean: Floats
) -> None:
    """Factorize what `_fill_system` has filled, and fill drawn and mean (D, LANES): a draw of each
    row, and its mean.
    """
    D = mean.shape[0]
    _factorize(factors, pivots)
    fill_lanes(keys, drawn)
    for a in range(D):
        for k in range(mean.shape[1]):
            mean[a, k] = factors[D, a, k]
            drawn[a, k] += mean[a, k]
    _solve_backwards(factors, mean)
    _solve_backwards(factors, drawn)


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _fill_squares(grams: Floats, w: Floats, squares: Floats) -> None:
    """Fill squares (LANES,) with sum (y - w.x)^2, weighted as the Gram matrix G of [x, y] is: [w,
    -1]' G [w, -1].
    """
    D = w.shape[0]
    for k in range(squares.size):
        squares[k] = grams[D, D, k]
    for a in range(D):
        for k in range(squares.size):
            squares[k] += w[a, k] * (w[a, k] * grams[a, a, k] - np.float32(2.0) * grams[D, a, k])
        for b in range(a):
            for k in range(squares.size):
                squares[k] += np.float32(2.0) * w[a, k] * w[b, k] * grams[a, b, k]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _fill_covariances(first: int, n: int, factors: Floats, z: Floats, covs: Floats) -> None:
    """Fill `covs` (n, D, D) of the rows from `first` on with inv(A). Scratch: z (D, LANES)."""
    D = factors.shape[1]
    for column in range(D):
        for a in range(D):  # forwards: z = inv(C) e_column
            for k in range(z.shape[1]):
                z[a, k] = np.float32(1.0) if a == column else np.float32(0.0)
            for b in range(column, a):
                for k in range(z.shape[1]):
                    z[a, k] -= factors[a, b, k] * z[b, k]
            for k in range(z.shape[1]):
                z[a, k] *= factors[a, a, k]
        _solve_backwards(factors, z)
        for k in range(min(z.shape[1], n - first)):
            for a in range(D):
                covs[first + k, a, column] = z[a, k]


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def draw_rows(
    thread: int,
    threads: int,
    starts: Ints,
    others: Ints,
    targets: Floats,
    regressors: Floats,
    weight: Floats,
    precision: Floats,
    prior_terms: Floats,
    stream: np.uint64,
    ids: Ints,
    draws: Floats,
    means: Floats,
    covs: Floats,
    squares: Floats,
) -> None:
    """Draw every row of one side given the other.

    starts (n+1,): where each row's ratings begin in others (N,), their rows of the other side, and
    in targets (N,): the ratings less mu and mood; regressors (n_other, D+1): the other side by
    `fill_regressors`; weight (n,): a row's own share of a rating's weight; precision (D, D) and
    prior_terms (n, D): L and L m; ids (n,): external ids, which with `stream` key the noise.
    Written: draws and means (n, D); squares (n,), the sum of squared residuals of the drawn row,
    weighted by the other side; covs (n, D, D) = inv(A) where it has rows. Floats are float32.
    """
    n = starts.size - 1
    D = precision.shape[0]
    design = np.empty((CHUNK, D + 1), np.float32)
    part = np.empty((D + 1, D + 1), np.float32)
    grams = np.zeros((D + 1, D + 1, LANES), np.float32)
    factors = np.empty((D + 1, D, LANES), np.float32)
    pivots = np.empty((D + 1, LANES), np.float32)
    drawn, mean = np.empty((D, LANES), np.float32), np.empty((D, LANES), np.float32)
    keys = np.zeros(LANES, np.uint64)
    lane_squares = np.empty(LANES, np.float32)
    for first in range(thread * LANES, n, threads * LANES):
        for k in range(min(LANES, n - first)):
            row = first + k
            _fill_gram(
                starts[row], starts[row + 1], others, targets, regressors, design, part, grams, k
            )
            keys[k] = key_of(stream, ids[row])
        _fill_system(first, n, precision, prior_terms, weight, grams, factors)
        _draw_lanes(keys, factors, pivots, drawn, mean)
        _fill_squares(grams, drawn, lane_squares)
        for k in range(min(LANES, n - first)):
            squares[first + k] = lane_squares[k]
            for a in range(D):
                draws[first + k, a], means[first + k, a] = drawn[a, k], mean[a, k]
        if covs.shape[0] > 0:
            _fill_covariances(first, n, factors, drawn, covs)


# Where the ratings of a row lie in several places, each place adds up its part, and the sums are
# drawn from: the same rows, to rounding. Parts are whole numbers of PART, so that their sum does
# not depend on the order in which they are added.

PART = 2.0**-24
"""Far below the rounding of a float32 Gram matrix of more than a rating or two."""


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def add_grams(
    thread: int,
    threads: int,
    starts: Ints,
    others: Ints,
    targets: Floats,
    regressors: Floats,
    sums: Ints,
) -> None:
    """Add to `sums` (n, (D+1)(D+2)/2), int64, the Gram matrices of n rows over the ratings of one
    place.

    The other arrays as in `draw_rows`, of that place alone.
    """
    n = starts.size - 1
    D = regressors.shape[1] - 1
    design = np.empty((CHUNK, D + 1), np.float32)
    part = np.empty((D + 1, D + 1), np.float32)
    grams = np.empty((D + 1, D + 1, 1), np.float32)
    for row in range(thread, n, threads):
        if starts[row] == starts[row + 1]:
            continue
        _fill_gram(
            starts[row], starts[row + 1], others, targets, regressors, design, part, grams, 0
        )
        c = 0
        for a in range(D + 1):
            for b in range(a + 1):
                sums[row, c] += np.int64(np.rint(np.float64(grams[a, b, 0]) / PART))
                c += 1


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def draw_summed_rows(
    thread: int,
    threads: int,
    sums: Ints,
    weight: Floats,
    precision: Floats,
    prior_terms: Floats,
    stream: np.uint64,
    ids: Ints,
    draws: Floats,
    means: Floats,
    covs: Floats,
) -> None:
    """Draw n rows from the `sums` (n, (D+1)(D+2)/2) of `add_grams`; the other arrays as in
    `draw_rows`.
    """
    n, D = sums.shape[0], precision.shape[0]
    grams = np.zeros((D + 1, D + 1, LANES), np.float32)
    factors = np.empty((D + 1, D, LANES), np.float32)
    pivots = np.empty((D + 1, LANES), np.float32)
    drawn, mean = np.empty((D, LANES), np.float32), np.empty((D, LANES), np.float32)
    keys = np.zeros(LANES, np.uint64)
    for first in range(thread * LANES, n, threads * LANES):
        for k in range(min(LANES, n - first)):
            keys[k] = key_of(stream, ids[first + k])
            c = 0
            for a in range(D + 1):
                for b in range(a + 1):
                    grams[a, b, k] = np.float32(sums[first + k, c] * PART)
                    c += 1
        _fill_system(first, n, precision, prior_terms, weight, grams, factors)
        _draw_lanes(keys, factors, pivots, drawn, mean)
        for k in range(min(LANES, n - first)):
            for a in range(D):
                draws[first + k, a], means[first + k, a] = drawn[a, k], mean[a, k]
        if covs.shape[0] > 0:
            _fill_covariances(first, n, factors, drawn, covs)
