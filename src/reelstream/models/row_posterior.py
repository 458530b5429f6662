"""The posterior of one row given the other side: the heart of the fit.

A row is `w = [bias, factors]`, D numbers. Its ratings are `y_j = w . x_j + e_j` with `x_j = [1, factors of the other row]`,
`e_j ~ N(0, 1 / weight_j)`, where the other row's bias is already taken off `y_j`; its prior is `N(m, inv(L))`. So its
posterior is normal with precision `A = L + sum(weight x x')` and mean `inv(A) (L m + sum(weight x y))` (Salakhutdinov and
Mnih, *Bayesian Probabilistic Matrix Factorization using MCMC*, ICML 2008). Rows of one side are independent of each other
given the other side: they are drawn in parallel, over threads here and over machines on a cluster.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

from reelstream.models.arrays import Floats, Ints
from reelstream.models.noise import fill_normals, key_of

# Rows are passed as (array, row) and not as slices: a slice counts references to its array, and two threads that count
# on one counter are four times slower.


@njit(cache=True, nogil=True, fastmath=True)
def fill_gram(
    begin: int,
    end: int,
    ratings: Ints,
    others: Ints,
    targets: Floats,
    other: Floats,
    root_weight: Floats,
    design: Floats,
    gram: Floats,
) -> None:
    """Fill `gram` (D+1, D+1): the weighted Gram matrix of [x, y] over one row's ratings, those from `begin` to `end`.

    See `draw_rows` for the arrays. `design` (longest row, D+1) is scratch: one gather and one BLAS call take a quarter of
    the time of plain loops.
    """
    D = other.shape[1]
    m = end - begin
    for j in range(m):
        o = others[begin + j]
        w = root_weight[o]
        design[j, 0] = w
        for a in range(1, D):
            design[j, a] = w * other[o, a]
        design[j, D] = w * (targets[ratings[begin + j]] - other[o, 0])
    np.dot(design[:m].T, design[:m], gram)


@njit(cache=True, nogil=True, fastmath=True)
def factorize(precision: Floats, weight: float, gram: Floats, cholesky: Floats) -> None:
    """Fill `cholesky` with the lower factor of `A = precision + weight * gram[:D, :D]`, its diagonal inverted."""
    # LAPACK's call for a 16 x 16 matrix costs more than its arithmetic: the loops are written out.
    D = precision.shape[0]
    for a in range(D):
        for b in range(a + 1):
            v = precision[a, b] + weight * gram[a, b]
            for c in range(b):
                v -= cholesky[a, c] * cholesky[b, c]
            if a == b:
                cholesky[a, a] = np.float32(1.0) / math.sqrt(v)  # every later step multiplies where it would divide
            else:
                cholesky[a, b] = v * cholesky[b, b]


@njit(cache=True, nogil=True, fastmath=True)
def solve(
    row: int,
    prior_terms: Floats,
    weight: float,
    gram: Floats,
    cholesky: Floats,
    noise: Floats,
    draws: Floats,
    means: Floats,
) -> None:
    """Fill `draws[row]` and `means[row]`: a draw from the row's posterior, with D normals from `noise`, and its mean."""
    D = noise.size
    for a in range(D):  # forward: cholesky z = right-hand side
        v = prior_terms[row, a] + weight * gram[a, D]
        for b in range(a):
            v -= cholesky[a, b] * means[row, b]
        means[row, a] = v * cholesky[a, a]
    for a in range(D):
        draws[row, a] = means[row, a] + noise[a]
    for a in range(D - 1, -1, -1):  # backward: cholesky' w = z
        v = draws[row, a]
        u = means[row, a]
        for b in range(a + 1, D):
            v -= cholesky[b, a] * draws[row, b]
            u -= cholesky[b, a] * means[row, b]
        draws[row, a] = v * cholesky[a, a]
        means[row, a] = u * cholesky[a, a]


@njit(cache=True, nogil=True, fastmath=True)
def invert(row: int, cholesky: Floats, inverses: Floats) -> None:
    """Fill `inverses[row]` (D, D) with inv(A), from its factor as `factorize` leaves it."""
    D = cholesky.shape[0]
    for column in range(D):
        for a in range(D):
            v = np.float32(1.0) if a == column else np.float32(0.0)
            for b in range(a):
                v -= cholesky[a, b] * inverses[row, b, column]
            inverses[row, a, column] = v * cholesky[a, a]
        for a in range(D - 1, -1, -1):
            v = inverses[row, a, column]
            for b in range(a + 1, D):
                v -= cholesky[b, a] * inverses[row, b, column]
            inverses[row, a, column] = v * cholesky[a, a]


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def draw_rows(
    threads: int,
    longest: int,
    starts: Ints,
    ratings: Ints,
    others: Ints,
    targets: Floats,
    other: Floats,
    weight: Floats,
    root_weight: Floats,
    precision: Floats,
    prior_terms: Floats,
    stream: np.uint64,
    ids: Ints,
    draws: Floats,
    means: Floats,
    covs: Floats,
) -> None:
    """Draw every row of one side given the other.

    starts (n+1,): where each row's ratings, at most `longest`, begin in ratings (N,), their positions in `targets`
    (N,), and in others (N,), their rows in `other` (n_other, D); targets: ratings less mu and mood; weight (n,) and
    root_weight (n_other,): a row's own share of a rating's weight, and the square root of the other row's; precision
    (D, D) and prior_terms (n, D): L and L m; ids (n,): external ids, which with `stream` key the noise. Written: draws
    and means (n, D), and covs (n, D, D) = inv(A) where it has rows. Floats are float32.
    """
    n = starts.size - 1
    D = other.shape[1]
    for thread in prange(threads):
        design = np.empty((longest, D + 1), np.float32)
        gram = np.empty((D + 1, D + 1), np.float32)
        cholesky = np.empty((D, D), np.float32)
        noise = np.empty(D, np.float32)
        for row in range(thread, n, threads):
            fill_gram(starts[row], starts[row + 1], ratings, others, targets, other, root_weight, design, gram)
            factorize(precision, weight[row], gram, cholesky)
            fill_normals(key_of(stream, ids[row]), noise)
            solve(row, prior_terms, weight[row], gram, cholesky, noise, draws, means)
            if covs.shape[0] > 0:
                invert(row, cholesky, covs)
