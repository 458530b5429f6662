"""The posterior of one row given the other side: where a fit spends most of its time.

A row is `w = [bias, factors]`, D numbers. Its ratings are `y_j = w . x_j + e_j` with `x_j = [1,
factors of the other row]`, `e_j ~ N(0, 1 / weight_j)`, where the other row's bias is already taken
off `y_j`; its prior is `N(m, inv(c L))`. So its posterior is normal with precision `A = c L +
sum(weight x x')` and mean `inv(A) (c L m + sum(weight x y))` (Salakhutdinov and Mnih, *Bayesian
Probabilistic Matrix Factorization using MCMC*, ICML 2008). Rows of one side are independent of each
other given the other side: they are drawn in parallel, over threads here and over machines on a
cluster.

The work has two parts. The Gram matrix of [x, y] over a row's ratings is gathered and given to
BLAS. What follows, the factor of A and the solves, is too small for LAPACK, whose call costs more
than its arithmetic: it is written out here for LANES rows side by side, so that every operation
works on whole vectors.

In this module arrays of floats are float32.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from reelstream.compute.arrays import FAST_MATH, Floats, Ints
from reelstream.engines.kernels.counter_rng import RowKeys, fill_lanes, key_of

# Rows that are solved side by side: the last axis of every array of the solve.
LANES = 64
# Ratings that one call of BLAS takes: their design still lies in the fastest cache.
CHUNK = 256
# Ratings of each row, and columns of a factor, that one pass over the lanes takes: so many products
# for every number that is read and written.
PASS = 4
# Rows with at most so many ratings are not worth a call of BLAS each: their Gram matrices are added
# up side by side. What a row gets depends on its own ratings alone, not on who is beside it.
FEW_RATINGS = 2 * PASS
# Grams that are added up in parts are whole numbers of it, so that the order of adding changes no
# bit.
#
# It lies far below the rounding of a float32 Gram matrix of more than a rating or two.
GRAM_UNIT = 2.0**-24


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


class RowTerms(NamedTuple):
    """What makes a system of equations of a row's Gram matrix."""

    weight: Floats
    """(n,): a row's own share of its ratings' weight."""
    precision: Floats
    """(D, D): L of the prior."""
    prior: Floats
    """(n, D): L m of the prior."""
    prior_weight: Floats
    """(n,): c, by which both are multiplied."""


class RowDraws(NamedTuple):
    """Where the results are written: n rows."""

    draws: Floats
    """(n, D)"""
    means: Floats
    """(n, D): conditional means."""
    covs: Floats
    """(n, D, D): inv(A); empty where it is not wanted."""
    squares: Floats
    """(n,): the sum of squared residuals of the drawn row, weighted by the other side; may be
    empty.
    """


class _Chunk(NamedTuple):
    """Scratch of one thread for the Gram matrix of a few ratings."""

    design: Floats
    """(CHUNK, D + 1)"""
    gram: Floats
    """(D + 1, D + 1)"""


class _Lanes(NamedTuple):
    """Scratch of one thread for the rows that it solves side by side."""

    grams: Floats
    """(D + 1, D + 1, LANES): lower halves."""
    design: Floats
    """(PASS, D + 1, LANES): [x, y] of a few ratings of each row."""
    keys: NDArray[np.uint64]
    """(LANES,)"""
    weights: Floats
    """(2, LANES): of the prior, and of the ratings."""
    factors: Floats
    """(D + 1, D, LANES)"""
    pivots: Floats
    """(PASS, D + 1, LANES)"""
    drawn: Floats
    """(D, LANES)"""
    mean: Floats
    """(D, LANES)"""
    squares: Floats
    """(LANES,)"""


@njit(cache=True, nogil=True, inline="always")
def _chunk(D: int) -> _Chunk:
    return _Chunk(np.empty((CHUNK, D + 1), np.float32), np.empty((D + 1, D + 1), np.float32))


@njit(cache=True, nogil=True, inline="always")
def _lanes(D: int) -> _Lanes:
    # Zeros, not whatever memory holds: lanes beyond the last row are solved too.
    return _Lanes(
        grams=np.zeros((D + 1, D + 1, LANES), np.float32),
        design=np.empty((PASS, D + 1, LANES), np.float32),
        keys=np.zeros(LANES, np.uint64),
        weights=np.empty((2, LANES), np.float32),
        factors=np.empty((D + 1, D, LANES), np.float32),
        pivots=np.zeros((PASS, D + 1, LANES), np.float32),
        drawn=np.empty((D, LANES), np.float32),
        mean=np.empty((D, LANES), np.float32),
        squares=np.empty(LANES, np.float32),
    )


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def fill_regressors(
    thread: int, threads: int, rows: Floats, root_weight: Floats, regressors: Floats
) -> None:
    """Fill regressors (n, D + 1), what the other side sees of rows (n, D): root_weight [1, factors,
    bias].
    """
    D = rows.shape[1]
    for row in range(thread, rows.shape[0], threads):
        w = root_weight[row]
        regressors[row, 0] = w
        for a in range(1, D):
            regressors[row, a] = w * rows[row, a]
        regressors[row, D] = w * rows[row, 0]


@njit(cache=True, nogil=True)
def take(thread: int, threads: int, values: Floats, positions: Ints, taken: Floats) -> None:
    """Fill `taken` with values[positions]."""
    for j in range(thread * positions.size // threads, (thread + 1) * positions.size // threads):
        taken[j] = values[positions[j]]


# What is called from one or two places only is inlined by numba: on its own it would be optimized
# twice, and compiling is most of what a first start waits for.
#
# Rows are passed as (array, row) and not as slices: a slice counts references to its array, and two
# threads that count on one counter are four times slower.


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _fill_gram(row: int, ratings: RowRatings, chunk: _Chunk, grams: Floats, lane: int) -> None:
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


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
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


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
def _fill_grams(first: int, ratings: RowRatings, chunk: _Chunk, lanes: _Lanes) -> None:
    """Fill the lower halves of `lanes.grams` for the rows from `first` on: see `_fill_gram`."""
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
            _fill_gram(first + k, ratings, chunk, grams, k)


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
def _fill_system(
    first: int, terms: RowTerms, grams: Floats, weights: Floats, factors: Floats
) -> None:
    """Fill factors (D + 1, D, LANES) with A, and below it its right-hand side, of the rows from
    `first` on. Scratch: weights (2, LANES).

    Lanes beyond the last row repeat it: they are solved and not used.
    """
    n, D = terms.prior.shape
    for k in range(factors.shape[2]):
        row = min(first + k, n - 1)
        weights[0, k], weights[1, k] = terms.prior_weight[row], terms.weight[row]
        for b in range(D):
            factors[D, b, k] = terms.prior[row, b]
    for a in range(D + 1):
        for b in range(min(a + 1, D)):
            prior = terms.precision[a, b] if a < D else np.float32(0.0)
            keep = np.float32(0.0) if a < D else np.float32(1.0)
            for k in range(factors.shape[2]):
                factors[a, b, k] = (
                    weights[0, k] * (prior + keep * factors[a, b, k])
                    + weights[1, k] * grams[a, b, k]
                )


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
def _factorize(factors: Floats, pivots: Floats) -> None:
    """Replace A in factors by its lower Cholesky factor C, the diagonal inverted, and b below by
    inv(C) b.

    To factorize A bordered by b is to solve for b forwards on the way. PASS columns are factorized,
    then taken off all that follows at once. Scratch: pivots (PASS, D + 1, LANES), these columns:
    read from an array that nothing is written to meanwhile, they make the inner loop vector code.
    """
    D = factors.shape[1]
    for begin in range(0, D, PASS):
        end = min(begin + PASS, D)
        for b in range(begin, end):
            column = pivots[b - begin]
            for i in range(b - begin):
                for a in range(b, D + 1):
                    for k in range(factors.shape[2]):
                        factors[a, b, k] -= pivots[i, a, k] * pivots[i, b, k]
            for k in range(factors.shape[2]):
                column[b, k] = np.float32(1.0) / math.sqrt(factors[b, b, k])
                factors[b, b, k] = column[b, k]
            for a in range(b + 1, D + 1):
                for k in range(factors.shape[2]):
                    column[a, k] = factors[a, b, k] * column[b, k]
                    factors[a, b, k] = column[a, k]
        for a in range(end, D + 1):
            for c in range(end, min(a + 1, D)):
                for k in range(factors.shape[2]):
                    factors[a, c, k] = (
                        factors[a, c, k]
                        - pivots[0, a, k] * pivots[0, c, k]
                        - pivots[1, a, k] * pivots[1, c, k]
                        - pivots[2, a, k] * pivots[2, c, k]
                        - pivots[3, a, k] * pivots[3, c, k]
                    )


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def _solve_backwards(factors: Floats, z: Floats) -> None:
    """Replace z (D, LANES) by inv(C') z."""
    for b in range(z.shape[0] - 1, -1, -1):
        for k in range(z.shape[1]):
            z[b, k] *= factors[b, b, k]
        for a in range(b):
            for k in range(z.shape[1]):
                z[a, k] -= factors[b, a, k] * z[b, k]


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
def _solve_lanes(lanes: _Lanes) -> None:
    """Factorize what `_fill_system` has filled; fill drawn and mean: a draw of each row, and its
    mean.
    """
    factors, drawn, mean = lanes.factors, lanes.drawn, lanes.mean
    D = mean.shape[0]
    _factorize(factors, lanes.pivots)
    fill_lanes(lanes.keys, drawn)
    for a in range(D):
        for k in range(mean.shape[1]):
            mean[a, k] = factors[D, a, k]
            drawn[a, k] += mean[a, k]
    _solve_backwards(factors, mean)
    _solve_backwards(factors, drawn)


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
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


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
def _fill_covariances(first: int, factors: Floats, z: Floats, covs: Floats) -> None:
    """Fill `covs` (n, D, D) of the rows from `first` on with inv(A). Scratch: z (D, LANES)."""
    n, D = covs.shape[0], factors.shape[1]
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


@njit(cache=True, nogil=True, fastmath=FAST_MATH, inline="always")
def _draw_lanes(first: int, terms: RowTerms, lanes: _Lanes, out: RowDraws) -> None:
    """Draw the rows from `first` on, whose Gram matrices and keys are in `lanes`."""
    n, D = out.draws.shape
    drawn, mean = lanes.drawn, lanes.mean
    _fill_system(first, terms, lanes.grams, lanes.weights, lanes.factors)
    _solve_lanes(lanes)
    for k in range(min(LANES, n - first)):
        for a in range(D):
            out.draws[first + k, a], out.means[first + k, a] = drawn[a, k], mean[a, k]
    if out.squares.size > 0:
        _fill_squares(lanes.grams, drawn, lanes.squares)
        for k in range(min(LANES, n - first)):
            out.squares[first + k] = lanes.squares[k]
    if out.covs.shape[0] > 0:
        # Last: it overwrites `drawn`.
        _fill_covariances(first, lanes.factors, drawn, out.covs)


@njit(cache=True, nogil=True, fastmath=FAST_MATH, error_model="numpy")
def draw_rows(
    thread: int, threads: int, ratings: RowRatings, terms: RowTerms, keys: RowKeys, out: RowDraws
) -> None:
    """Draw every row of one side given the other."""
    n, D = out.draws.shape
    chunk, lanes = _chunk(D), _lanes(D)
    for first in range(thread * LANES, n, threads * LANES):
        _fill_grams(first, ratings, chunk, lanes)
        for k in range(min(LANES, n - first)):
            lanes.keys[k] = key_of(keys.stream, keys.ids[first + k])
        _draw_lanes(first, terms, lanes, out)


# Where the ratings of a row lie in several places, each place adds up its part, and the rows are
# drawn from the sums: the same rows, to rounding.


@njit(cache=True, nogil=True, fastmath=FAST_MATH)
def add_grams(thread: int, threads: int, ratings: RowRatings, sums: Ints) -> None:
    """Add to `sums` (n, (D + 1)(D + 2) / 2), int64, the Gram matrices of n rows in units of
    GRAM_UNIT.

    `ratings`: those of one place.
    """
    starts = ratings.starts
    D = ratings.regressors.shape[1] - 1
    chunk, gram = _chunk(D), np.empty((D + 1, D + 1, 1), np.float32)
    for row in range(thread, starts.size - 1, threads):
        if starts[row] == starts[row + 1]:
            continue
        _fill_gram(row, ratings, chunk, gram, 0)
        c = 0
        for a in range(D + 1):
            for b in range(a + 1):
                sums[row, c] += np.int64(np.rint(np.float64(gram[a, b, 0]) / GRAM_UNIT))
                c += 1


@njit(cache=True, nogil=True, fastmath=FAST_MATH, error_model="numpy")
def draw_summed_rows(
    thread: int, threads: int, sums: Ints, terms: RowTerms, keys: RowKeys, out: RowDraws
) -> None:
    """Draw n rows from the `sums` (n, (D + 1)(D + 2) / 2) of `add_grams`."""
    n, D = out.draws.shape
    lanes = _lanes(D)
    for first in range(thread * LANES, n, threads * LANES):
        for k in range(min(LANES, n - first)):
            lanes.keys[k] = key_of(keys.stream, keys.ids[first + k])
            c = 0
            for a in range(D + 1):
                for b in range(a + 1):
                    lanes.grams[a, b, k] = np.float32(sums[first + k, c] * GRAM_UNIT)
                    c += 1
        _draw_lanes(first, terms, lanes, out)
