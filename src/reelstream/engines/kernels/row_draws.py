"""The posterior of one row given the other side: where a fit spends most of its time.

A row is `w = [bias, factors]`, D numbers. Its ratings are `y_j = w . x_j + e_j` with `x_j = [1,
factors of the other row]`, `e_j ~ N(0, 1 / weight_j)`, where the other row's bias is already taken
off `y_j`; its prior is `N(m, inv(c L))`. So its posterior is normal with precision `A = c L +
sum(weight x x')` and mean `inv(A) (c L m + sum(weight x y))` (Salakhutdinov and Mnih, *Bayesian
Probabilistic Matrix Factorization using MCMC*, ICML 2008). Rows of one side are independent of each
other given the other side: they are drawn in parallel, over threads here and over machines on a
cluster.

The work has two parts. The Gram matrix of [x, y] over a row's ratings is gathered and given to
BLAS (`grams`). What follows, the factor of A and the solves, is too small for LAPACK, whose call
costs more than its arithmetic: it is written out for many rows side by side (`lane_solver`).

In these modules arrays of floats are float32.
"""

from __future__ import annotations

import numpy as np

from reelstream.compute.arrays import FAST_MATH, Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.engines.kernels.counter_rng import RowKeys, key_of
from reelstream.engines.kernels.grams import RowRatings, chunk_of, fill_gram, fill_grams
from reelstream.engines.kernels.lane_solver import LANES, RowDraws, RowTerms, draw_lanes, lanes_of

# Grams that are added up in parts are whole numbers of it, so that the order of adding changes no
# bit.
#
# It lies far below the rounding of a float32 Gram matrix of more than a rating or two.
GRAM_UNIT = 2.0**-24


@compiled(fastmath=FAST_MATH)
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


@compiled()
def take(thread: int, threads: int, values: Floats, positions: Ints, taken: Floats) -> None:
    """Fill `taken` with values[positions]."""
    for j in range(thread * positions.size // threads, (thread + 1) * positions.size // threads):
        taken[j] = values[positions[j]]


@compiled(fastmath=FAST_MATH, error_model="numpy")
def draw_rows(
    thread: int, threads: int, ratings: RowRatings, terms: RowTerms, keys: RowKeys, out: RowDraws
) -> None:
    """Draw every row of one side given the other."""
    n, D = out.draws.shape
    chunk, lanes = chunk_of(D), lanes_of(D)
    for first in range(thread * LANES, n, threads * LANES):
        fill_grams(first, ratings, chunk, lanes)
        for k in range(min(LANES, n - first)):
            lanes.keys[k] = key_of(keys.stream, keys.rows[first + k])
        draw_lanes(first, terms, lanes, out)


# Where the ratings of a row lie in several places, each place adds up its part, and the rows are
# drawn from the sums: the same rows, to rounding.


@compiled(fastmath=FAST_MATH)
def add_grams(thread: int, threads: int, ratings: RowRatings, sums: Ints) -> None:
    """Add to `sums` (n, (D + 1)(D + 2) / 2), int64, the Gram matrices of n rows in units of
    GRAM_UNIT.

    `ratings`: those of one place.
    """
    starts = ratings.starts
    D = ratings.regressors.shape[1] - 1
    chunk, gram = chunk_of(D), np.empty((D + 1, D + 1, 1), np.float32)
    for row in range(thread, starts.size - 1, threads):
        if starts[row] == starts[row + 1]:
            continue
        fill_gram(row, ratings, chunk, gram, 0)
        c = 0
        for a in range(D + 1):
            for b in range(a + 1):
                sums[row, c] += np.int64(np.rint(np.float64(gram[a, b, 0]) / GRAM_UNIT))
                c += 1


@compiled(fastmath=FAST_MATH, error_model="numpy")
def draw_summed_rows(
    thread: int, threads: int, sums: Ints, terms: RowTerms, keys: RowKeys, out: RowDraws
) -> None:
    """Draw n rows from the `sums` (n, (D + 1)(D + 2) / 2) of `add_grams`."""
    n, D = out.draws.shape
    lanes = lanes_of(D)
    for first in range(thread * LANES, n, threads * LANES):
        for k in range(min(LANES, n - first)):
            lanes.keys[k] = key_of(keys.stream, keys.rows[first + k])
            c = 0
            for a in range(D + 1):
                for b in range(a + 1):
                    lanes.grams[a, b, k] = np.float32(sums[first + k, c] * GRAM_UNIT)
                    c += 1
        draw_lanes(first, terms, lanes, out)
