"""The prior of one side's rows: `w ~ N(G'x, inv(L))` with side features x, and the draw of (G, L)
given the rows.

`L ~ Wishart(D, I)` and `G | L ~ MatrixNormal(0, I, inv(L))`, so that (G, L) has a normal-Wishart
conditional (Simm et al., *Macau: Scalable Bayesian Multi-relational Factorization with Side
Information using MCMC*, 2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

# A column with a larger share of numbers other than zero is stored as a dense one.
DENSE_SHARE = 0.25


class RowPrior:
    """The side features of one side's rows, prepared for drawing (G, L) once a sweep."""

    def __init__(self, features: NDArray[np.float64]) -> None:
        """`features` (n_rows, n_features), first column one."""
        # Of its genres and eras a film has a handful: sparse products take a tenth of the time of
        # dense ones. Of other columns every film has a part.
        self._dense = (features != 0).mean(0) > DENSE_SHARE
        self._full = np.ascontiguousarray(features[:, self._dense])
        self._sparse = csr_array(features[:, ~self._dense])
        self._transposed = csr_array(features[:, ~self._dense].T)
        precision = features.T @ features + np.eye(features.shape[1])
        self._covariance = np.linalg.inv(precision)
        self._cholesky = np.linalg.cholesky(precision)

    def draw(
        self, rows: NDArray[np.float32], generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """G (n_features, D) and L (D, D), drawn from their conditional given `rows` (n_rows, D)."""
        w = rows.astype(np.float64)
        n, D = w.shape
        xw = np.empty((len(self._dense), D))
        xw[self._dense] = self._full.T @ w
        xw[~self._dense] = self._transposed @ w
        return self.draw_from(n, xw, w.T @ w, generator)

    def draw_from(
        self,
        n: int,
        xw: NDArray[np.float64],
        ww: NDArray[np.float64],
        generator: np.random.Generator,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """As `draw`, given of n rows only their products with the features, xw (n_features, D), and
        ww (D, D).
        """
        D = len(ww)
        G = self._covariance @ xw
        scale = np.linalg.inv(np.eye(D) + ww - G.T @ xw)
        # Symmetric only to rounding, and a Cholesky factor is made of one half alone.
        L = _draw_wishart((scale + scale.T) / 2, D + n, generator)
        spread = np.linalg.cholesky(np.linalg.inv(L))
        # With C the factor of the precision, inv(C') times normals has its inverse as covariance.
        G += np.linalg.solve(self._cholesky.T, generator.standard_normal(G.shape)) @ spread.T
        return G, L

    def terms(self, G: NDArray[np.float64], L: NDArray[np.float64]) -> NDArray[np.float32]:
        """`L m` of every row (n_rows, D), m its prior mean."""
        weights = G @ L
        terms: NDArray[np.float64] = self._full @ weights[self._dense]
        terms += self._sparse @ weights[~self._dense]
        return terms.astype(np.float32)


def _draw_wishart(
    scale: NDArray[np.float64], degrees: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Wishart(degrees, scale) by Bartlett's decomposition."""
    D = len(scale)
    lower = np.tril(generator.standard_normal((D, D)), -1)
    lower += np.diag(np.sqrt(generator.chisquare(degrees - np.arange(D))))
    root = np.linalg.cholesky(scale) @ lower
    return root @ root.T
