"""The prior of one side's rows: `w ~ N(G'x, inv(L))` with side features x, and the draw of (G, L) given the rows.

`L ~ Wishart(D, I)` and `G | L ~ MatrixNormal(0, I, inv(L))`, so that (G, L) has a normal-Wishart conditional (Simm et al.,
*Macau: Scalable Bayesian Multi-relational Factorization with Side Information using MCMC*, 2015).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


class RowPrior:
    """The side features of one side's rows, prepared for drawing (G, L) once a sweep."""

    def __init__(self, features: NDArray[np.float64]) -> None:
        """`features` (n_rows, n_features), first column one."""
        # A film has a handful of features out of dozens: sparse products take a tenth of the time of dense ones.
        self._features = csr_array(features)
        self._transposed = csr_array(features.T)
        precision = features.T @ features + np.eye(features.shape[1])
        self._covariance = np.linalg.inv(precision)
        self._cholesky = np.linalg.cholesky(precision)

    def draw(
        self, rows: NDArray[np.float32], generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """G (n_features, D) and L (D, D), drawn from their conditional given `rows` (n_rows, D)."""
        w = rows.astype(np.float64)
        n, D = w.shape
        xw = self._transposed @ w
        G = self._covariance @ xw
        scale = np.linalg.inv(np.eye(D) + w.T @ w - G.T @ xw)
        L = _draw_wishart((scale + scale.T) / 2, D + n, generator)
        spread = np.linalg.cholesky(np.linalg.inv(L))
        G += np.linalg.solve(self._cholesky.T, generator.standard_normal(G.shape)) @ spread.T
        return G, L

    def terms(self, G: NDArray[np.float64], L: NDArray[np.float64]) -> NDArray[np.float32]:
        """`L m` of every row (n_rows, D), m its prior mean."""
        terms: NDArray[np.float32] = (self._features @ (G @ L)).astype(np.float32)
        return terms


def _draw_wishart(scale: NDArray[np.float64], degrees: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Wishart(degrees, scale) by Bartlett's decomposition."""
    D = len(scale)
    lower = np.tril(generator.standard_normal((D, D)), -1)
    lower += np.diag(np.sqrt(generator.chisquare(degrees - np.arange(D))))
    root = np.linalg.cholesky(scale) @ lower
    return root @ root.T
