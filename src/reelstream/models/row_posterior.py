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


@njit(cache=True, nogil=True, fastmath=True)
def gram_of_row(
    ratings: Ints, others: Ints, targets: Floats, other: Floats, root_weight: Floats, design: Floats, gram: Floats
) -> None:
    """Fill `gram` (D+1, D+1): the Gram matrix of [x, y], weighted, over one row's ratings.

    ratings: positions of the row's ratings in `targets` (float32, rating less mean and mood); others: its rows in `other`
    (n_other, D) float32; root_weight: square root of each other row's share of the weight. `design` (longest row, D+1) is
    scratch: one gather and one BLAS call take a quarter of the time of plain loops.
    """
    D = other.shape[1]
    m = others.size
    for j in range(m):
        o = others[j]
        w = root_weight[o]
        design[j, 0] = w
        for a in range(1, D):
            design[j, a] = w * other[o, a]
        design[j, D] = w * (targets[ratings[j]] - other[o, 0])
    np.dot(design[:m].T, design[:m], gram)


@njit(cache=True, nogil=True, fastmath=True)
def factorize_precision(prior_precision: Floats, weight: float, gram: Floats, cholesky: Floats) -> None:
    """Fill `cholesky` with the lower factor of `A = prior_precision + weight * gram[:D, :D]`."""
    # LAPACK's call for a 16 x 16 matrix costs more than its arithmetic: the loops are written out.
    D = prior_precision.shape[0]
    for a in range(D):
        for b in range(a + 1):
            v = prior_precision[a, b] + weight * gram[a, b]
            for c in range(b):
                v -= cholesky[a, c] * cholesky[b, c]
            if a == b:
                cholesky[a, a] = math.sqrt(v)
            else:
                cholesky[a, b] = v / cholesky[b, b]


@njit(cache=True, nogil=True, fastmath=True)
def solve_row(
    prior_term: Floats, weight: float, gram: Floats, cholesky: Floats, noise: Floats, draw: Floats, mean: Floats
) -> None:
    """Fill `draw` and `mean` (D,): a draw from the row's posterior and its mean. prior_term: L m; noise: D normals."""
    D = draw.size
    for a in range(D):  # forward: cholesky z = right-hand side
        v = prior_term[a] + weight * gram[a, D]
        for b in range(a):
            v -= cholesky[a, b] * mean[b]
        mean[a] = v / cholesky[a, a]
    for a in range(D):
        draw[a] = mean[a] + noise[a]
    for a in range(D - 1, -1, -1):  # backward: cholesky' w = z
        v = draw[a]
        u = mean[a]
        for b in range(a + 1, D):
            v -= cholesky[b, a] * draw[b]
            u -= cholesky[b, a] * mean[b]
        draw[a] = v / cholesky[a, a]
        mean[a] = u / cholesky[a, a]


@njit(cache=True, nogil=True, fastmath=True)
def invert_from_cholesky(cholesky: Floats, inverse: Floats) -> None:
    """Fill `inverse` (D, D) with inv(A), A = cholesky cholesky'."""
    D = cholesky.shape[0]
    for column in range(D):
        for a in range(D):
            v = np.float32(1.0) if a == column else np.float32(0.0)
            for b in range(a):
                v -= cholesky[a, b] * inverse[b, column]
            inverse[a, column] = v / cholesky[a, a]
        for a in range(D - 1, -1, -1):
            v = inverse[a, column]
            for b in range(a + 1, D):
                v -= cholesky[b, a] * inverse[b, column]
            inverse[a, column] = v / cholesky[a, a]


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def draw_rows(
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
    scratch: Floats,
) -> None:
    """Draw every row of one side given the other, on as many threads as `scratch` has blocks.

    starts (n+1,): where each row's ratings begin in `ratings` and `others`, both (n_ratings,); weight (n,): each row's own
    share of the weight; precision (D, D) and prior_terms (n, D): L and L m; ids (n,) int64 external ids, which with `stream`
    key the noise. Written: draws and means (n, D), and covs (n, D, D) = inv(A) where it has rows. All float32.
    """
    n = starts.size - 1
    D = other.shape[1]
    threads = scratch.shape[0]
    for thread in prange(threads):
        design = scratch[thread]
        gram = np.empty((D + 1, D + 1), np.float32)
        cholesky = np.empty((D, D), np.float32)
        noise = np.empty(D, np.float32)
        for row in range(thread, n, threads):
            begin, end = starts[row], starts[row + 1]
            gram_of_row(ratings[begin:end], others[begin:end], targets, other, root_weight, design, gram)
            factorize_precision(precision, weight[row], gram, cholesky)
            fill_normals(key_of(stream, ids[row]), noise)
            solve_row(prior_terms[row], weight[row], gram, cholesky, noise, draws[row], means[row])
            if covs.shape[0] > 0:
                invert_from_cholesky(cholesky, covs[row])
