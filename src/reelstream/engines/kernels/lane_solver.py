"""Draws of many rows side by side, given their Gram matrices: the second half of `row_draws`.

Every operation works on whole vectors of LANES rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.compute.arrays import FAST_MATH, Floats
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.counter_rng import fill_lanes

# Rows that are solved side by side: the last axis of every array of the solve.
LANES = 64
# Ratings of each row, and columns of a factor, that one pass over the lanes takes: so many products
# for every number that is read and written.
PASS = 4

# What is called from one or two places only is inlined by numba: on its own it would be optimized
# twice, and compiling is most of what a first start waits for.


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


class Lanes(NamedTuple):
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


@compiled(inline="always")
def lanes_of(D: int) -> Lanes:
    # Zeros, not whatever memory holds: lanes beyond the last row are solved too.
    return Lanes(
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


@compiled(fastmath=FAST_MATH, inline="always")
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
            factors[D, b, k] = weights[0, k] * terms.prior[row, b] + weights[1, k] * grams[D, b, k]
    for a in range(D):
        for b in range(a + 1):
            for k in range(factors.shape[2]):
                factors[a, b, k] = (
                    weights[0, k] * terms.precision[a, b] + weights[1, k] * grams[a, b, k]
                )


@compiled(fastmath=FAST_MATH, inline="always")
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


@compiled(fastmath=FAST_MATH)
def _solve_backwards(factors: Floats, z: Floats) -> None:
    """Replace z (D, LANES) by inv(C') z."""
    for b in range(z.shape[0] - 1, -1, -1):
        for k in range(z.shape[1]):
            z[b, k] *= factors[b, b, k]
        for a in range(b):
            for k in range(z.shape[1]):
                z[a, k] -= factors[b, a, k] * z[b, k]


@compiled(fastmath=FAST_MATH, inline="always")
def _solve_lanes(lanes: Lanes) -> None:
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


@compiled(fastmath=FAST_MATH, inline="always")
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


@compiled(fastmath=FAST_MATH, inline="always")
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


@compiled(fastmath=FAST_MATH, inline="always")
def draw_lanes(first: int, terms: RowTerms, lanes: Lanes, out: RowDraws) -> None:
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
