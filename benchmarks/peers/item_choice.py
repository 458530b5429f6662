"""Recommenders of the field on what was liked: each scores all films for a history, which may be a
user's that it has never seen.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array


class Scorer(Protocol):
    """A fitted peer."""

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores (I,) for a user who liked these films (n,)."""


class ItemItem:
    """Adds up rows of a matrix between films."""

    def __init__(self, weights: NDArray[np.float32]) -> None:
        self.weights = weights

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Scorer`."""
        return np.asarray(self.weights[liked].sum(0))


def item_knn(likes: csr_array, neighbours: int, shrinkage: float) -> ItemItem:
    """Cosine between films, shrunk, of the nearest neighbours of each (Sarwar et al., WWW 2001)."""
    gram = (likes.T @ likes).toarray().astype(np.float32)
    length = np.sqrt(np.diag(gram))
    cosine = gram / (np.outer(length, length) + shrinkage)
    np.fill_diagonal(cosine, 0)
    return ItemItem(_nearest(cosine.T, neighbours).T.copy())


def rp3beta(likes: csr_array, alpha: float, beta: float, neighbours: int) -> ItemItem:
    """Random walks of three steps, popular films marked down (Paudel et al., TiiS 2017)."""
    popularity = np.maximum(np.asarray(likes.sum(0)).ravel(), 1)
    to_items = (diags_array(1 / np.maximum(np.asarray(likes.sum(1)).ravel(), 1)) @ likes).power(
        alpha
    )
    to_users = (diags_array(1 / popularity) @ likes.T).power(alpha)
    walks = (to_users @ to_items).toarray().astype(np.float32)
    walks /= (popularity[None, :] ** beta).astype(np.float32)
    np.fill_diagonal(walks, 0)
    return ItemItem(_nearest(walks, neighbours))


class UserKnn:
    """What the users who like the same have liked."""

    def __init__(self, likes: csr_array, neighbours: int, shrinkage: float) -> None:
        self.likes, self.neighbours, self.shrinkage = likes.tocsr(), neighbours, shrinkage
        self._by_item = likes.tocsc()
        self._length = np.sqrt(np.asarray(likes.sum(1)).ravel())

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Scorer`."""
        shared = np.asarray(self._by_item[:, liked].sum(1)).ravel()
        similarity = shared / (np.sqrt(len(liked)) * self._length + self.shrinkage)
        n = min(self.neighbours, len(similarity))
        nearest = np.argpartition(-similarity, n - 1)[:n]
        return np.asarray(similarity[nearest] @ self.likes[nearest], np.float32)


class ImplicitAls:
    """Matrix factorization by alternating least squares, all films not liked counting as weak
    dislikes (Hu, Koren and Volinsky, ICDM 2008; Rendle et al., RecSys 2022).
    """

    def __init__(
        self, likes: csr_array, factors: int, weight: float, ridge: float, sweeps: int = 10
    ) -> None:
        self.weight, self.ridge = weight, ridge
        rng = np.random.default_rng(0)
        self.items = 0.1 * rng.standard_normal((likes.shape[1], factors)) / np.sqrt(factors)
        by_user, by_item = likes.tocsr(), likes.T.tocsr()
        for _ in range(sweeps):
            users = self._solve(by_user, self.items)
            self.items = self._solve(by_item, users)
        self._gram = weight * self.items.T @ self.items

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Scorer`."""
        user = self._row(self.items[liked], self._gram, len(self.items))
        return np.asarray(self.items @ user, np.float32)

    def _solve(self, likes: csr_array, others: NDArray[np.float64]) -> NDArray[np.float64]:
        gram = self.weight * others.T @ others
        starts, columns = likes.indptr, likes.indices
        rows = [
            self._row(others[columns[first:end]], gram, len(others))
            for first, end in pairwise(starts.tolist())
        ]
        return np.array(rows)

    def _row(
        self, liked: NDArray[np.float64], gram: NDArray[np.float64], n_others: int
    ) -> NDArray[np.float64]:
        ridge = self.ridge * (len(liked) + self.weight * n_others)
        system = gram + liked.T @ liked + ridge * np.eye(len(gram))
        return np.asarray(np.linalg.solve(system, liked.sum(0)))


def _nearest(rows: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The n largest of each row, the others zero."""
    n = min(n, rows.shape[1] - 1)
    least = -np.partition(-rows, n - 1, axis=1)[:, n - 1]
    return np.where(rows >= least[:, None], rows, 0)
