"""The prior of one side's rows: `w ~ N(G'x, inv(c L))` with side features x, and the draw of (G, L)
given the rows and the weight c of each row's prior.

`L ~ Wishart(D, I)` and `G | L ~ MatrixNormal(0, inv(Lambda), inv(L))`, so that (G, L) has a
normal-Wishart conditional (Simm et al., *Macau: Scalable Bayesian Multi-relational Factorization
with Side Information using MCMC*, 2015). Lambda is diagonal: the weights of a group of features
have a precision of their own, `lambda_g ~ Gamma(1, 1)`, so that a group that says nothing is shrunk
to nothing (MacKay's automatic relevance determination).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# A column with a larger share of numbers other than zero is stored as a dense one.
DENSE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class PriorDraw:
    """A draw of the prior of one side's rows: `N(G'x, inv(c L))`, x the features of a row."""

    G: NDArray[np.float64]
    """(n_features, D)"""
    L: NDArray[np.float64]
    """(D, D)"""


class RowSums(NamedTuple):
    """What rows w of D numbers and their features x add up to, each row weighted by its c."""

    features: NDArray[np.float64]
    """(n_features, n_features): of x x'."""
    products: NDArray[np.float64]
    """(n_features, D): of x w'."""
    rows: NDArray[np.float64]
    """(D, D): of w w'."""

    @classmethod
    def of(
        cls,
        features: NDArray[np.float64],
        rows: NDArray[np.float32],
        prior_weight: NDArray[np.float64],
    ) -> RowSums:
        """Over rows (n, D) with features (n, n_features) and prior weights (n,)."""
        w = rows.astype(np.float64)
        weighted = features * prior_weight[:, None]
        return cls(weighted.T @ features, weighted.T @ w, (w * prior_weight[:, None]).T @ w)

    @classmethod
    def joined(cls, parts: Iterable[RowSums]) -> RowSums:
        """The sums over several parts of the rows."""
        return cls(*(np.sum(arrays, axis=0) for arrays in zip(*parts, strict=True)))


def draw_prior(
    sums: RowSums,
    n: int,
    weight_precision: NDArray[np.float64],
    generator: np.random.Generator,
) -> PriorDraw:
    """(G, L) drawn from their conditional given n rows; weight_precision (n_features,): Lambda."""
    _, xw, ww = sums
    D = len(ww)
    precision = sums.features + np.diag(weight_precision)
    G = np.linalg.solve(precision, xw)
    scale = np.linalg.inv(np.eye(D) + ww - G.T @ xw)
    # Symmetric only to rounding, and a Cholesky factor is made of one half alone.
    L = _draw_wishart((scale + scale.T) / 2, D + n, generator)
    spread = np.linalg.cholesky(np.linalg.inv(L))
    # With C the factor of the precision, inv(C') times normals has its inverse as covariance.
    lower = np.linalg.cholesky(precision)
    noise = np.linalg.solve(lower.T, generator.standard_normal(G.shape)) @ spread.T
    return PriorDraw(np.asarray(G + noise, np.float64), L)


def draw_group_precisions(
    prior: PriorDraw, groups: NDArray[np.int64], generator: np.random.Generator
) -> tuple[float, ...]:
    """lambda_g of each group, given the weights; groups (n_features,): -1 belongs to none."""
    squares = np.einsum("fa,ab,fb->f", prior.G, prior.L, prior.G)
    n_groups, D = int(groups.max()) + 1, len(prior.L)
    drawn = []
    for group in range(n_groups):
        own = groups == group
        gamma = generator.standard_gamma(1 + own.sum() * D / 2)
        drawn.append(float(gamma / (1 + squares[own].sum() / 2)))
    return tuple(drawn)


def spread_out(group_precisions: Sequence[float], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """The precision (n_features,) of each feature's weights: that of its group, one for -1."""
    # Group -1 reads the one that is appended.
    return np.array([*group_precisions, 1.0])[groups]


class SideFeatures:
    """The side features of rows that all have the same prior weight, prepared for many draws."""

    def __init__(self, features: NDArray[np.float64]) -> None:
        """`features` (n_rows, n_features), first column one."""
        # Of its genres and eras a film has a handful: sparse products take a tenth of the time of
        # dense ones. Of other columns every film has a part.
        self._dense = (features != 0).mean(0) > DENSE_SHARE
        # float32, as the rows are: these products are a good part of a sweep.
        narrow = features.astype(np.float32)
        self._full = np.ascontiguousarray(narrow[:, self._dense])
        self._sparse = csr_array(narrow[:, ~self._dense])
        self._transposed = csr_array(narrow[:, ~self._dense].T)
        self._squares = features.T @ features

    def sums(self, rows: NDArray[np.float32]) -> RowSums:
        """With rows (n_rows, D) of prior weight one."""
        xw = np.empty((len(self._dense), rows.shape[1]))
        xw[self._dense] = self._full.T @ rows
        xw[~self._dense] = self._transposed @ rows
        return RowSums(self._squares, xw, (rows.T @ rows).astype(np.float64))

    def terms(self, prior: PriorDraw) -> NDArray[np.float32]:
        """`L m` of every row (n_rows, D), m its prior mean."""
        weights = (prior.G @ prior.L).astype(np.float32)
        terms: NDArray[np.float32] = self._full @ weights[self._dense]
        terms += self._sparse @ weights[~self._dense]
        return terms


def _draw_wishart(
    scale: NDArray[np.float64], degrees: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Wishart(degrees, scale) by Bartlett's decomposition."""
    D = len(scale)
    lower = np.tril(generator.standard_normal((D, D)), -1)
    lower += np.diag(np.sqrt(generator.chisquare(degrees - np.arange(D))))
    root = np.linalg.cholesky(scale) @ lower
    return root @ root.T
