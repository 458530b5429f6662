"""Recommenders of the field on what was liked: each scores all films for a history, which may be a
user's that it has never seen.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array


class Scorer(Protocol):
    """A fitted peer."""

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores (I,) for a user who liked these films (n,)."""


class ItemItem:
    """Adds up rows of a matrix between the films that somebody liked, of all films."""

    def __init__(self, weights: NDArray[np.float32], likes: csr_array) -> None:
        self.weights, self.films = weights, _liked_films(likes)
        self._places = np.full(likes.shape[1], -1)
        self._places[self.films] = np.arange(len(self.films))

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Scorer`."""
        places = self._places[liked]
        scores = np.zeros(len(self._places), np.float32)
        scores[self.films] = self.weights[places[places >= 0]].sum(0)
        return scores


def _liked_films(likes: csr_array) -> NDArray[np.int64]:
    return np.flatnonzero(np.asarray(likes.sum(0)).ravel())


def _gram(likes: csr_array) -> NDArray[np.float32]:
    """How many users liked both, of the films that somebody liked."""
    liked = likes.tocsc()[:, _liked_films(likes)]
    return np.asarray((liked.T @ liked).toarray(), np.float32)


def item_knn(likes: csr_array, neighbours: int, shrinkage: float) -> ItemItem:
    """Cosine between films, shrunk, of the nearest neighbours of each (Sarwar et al., WWW 2001)."""
    gram = _gram(likes)
    length = np.sqrt(np.diag(gram))
    cosine = gram / (np.outer(length, length) + shrinkage)
    np.fill_diagonal(cosine, 0)
    return ItemItem(_nearest(cosine.T, neighbours).T.copy(), likes)


def rp3beta(likes: csr_array, alpha: float, beta: float, neighbours: int) -> ItemItem:
    """Random walks of three steps, popular films marked down (Paudel et al., TiiS 2017)."""
    all_films, likes = likes, likes.tocsc()[:, _liked_films(likes)].tocsr()
    popularity = np.asarray(likes.sum(0)).ravel()
    to_items = (diags_array(1 / np.maximum(np.asarray(likes.sum(1)).ravel(), 1)) @ likes).power(
        alpha
    )
    to_users = (diags_array(1 / popularity) @ likes.T).power(alpha)
    walks = (to_users @ to_items).toarray().astype(np.float32)
    walks /= (popularity[None, :] ** beta).astype(np.float32)
    np.fill_diagonal(walks, 0)
    return ItemItem(_nearest(walks, neighbours), all_films)


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


def slim(likes: csr_array, l1: float, l2: float, neighbours: int) -> ItemItem:
    """A sparse linear model with weights of zero or more, each film on its nearest neighbours by
    cosine (fsSLIM; Ning and Karypis, ICDM 2011).
    """
    gram = _gram(likes)
    length = np.sqrt(np.diag(gram))
    cosine = gram / np.outer(length, length)
    np.fill_diagonal(cosine, -1)
    n = min(neighbours, len(gram) - 1)
    near = np.argpartition(-cosine, n - 1, axis=1)[:, :n]
    weights = np.zeros_like(gram)
    _descend_coordinates(gram, near, l1, l2, weights)
    return ItemItem(weights, likes)


@njit(cache=True)
def _descend_coordinates(gram, near, l1, l2, weights):  # type: ignore[no-untyped-def]
    """Elastic net on each film's neighbours, twenty rounds of coordinate descent."""
    for film in range(len(gram)):
        rows = near[film]
        found = np.zeros(rows.size, np.float32)
        left = np.array([gram[row, film] for row in rows])
        for _ in range(20):
            for a in range(rows.size):
                own = gram[rows[a], rows[a]]
                if own == 0:
                    continue
                better = max(left[a] + own * found[a] - l1, 0.0) / (own + l2)
                change = better - found[a]
                if change != 0:
                    for b in range(rows.size):
                        left[b] -= change * gram[rows[a], rows[b]]
                    found[a] = better
        for a in range(rows.size):
            weights[rows[a], film] = found[a]


class Bpr:
    """Matrix factorization that ranks what was liked above what was not, by stochastic gradients
    (Rendle et al., UAI 2009). A user who has gone on rating is fitted again, the films as they are.
    """

    def __init__(
        self, likes: csr_array, factors: int, ridge: float, epochs: int, rate: float = 0.05
    ) -> None:
        self.ridge, self.rate = ridge, rate
        rng = np.random.default_rng(0)
        self.items, users = (
            0.1 * rng.standard_normal((n, factors)) for n in (likes.shape[1], likes.shape[0])
        )
        self.bias = np.zeros(likes.shape[1])
        by_user = likes.tocsr()
        by_user.sort_indices()
        of_user = np.repeat(np.arange(likes.shape[0]), np.diff(by_user.indptr))
        learned = _Likes(of_user, by_user.indptr, by_user.indices)
        for epoch in range(epochs):
            _bpr_epoch(epoch, learned, users, self.items, self.bias, (rate, ridge))

    def score(self, liked: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Scorer`."""
        user = np.zeros(self.items.shape[1])
        _bpr_user(np.sort(liked), user, self.items, self.bias, self.rate, self.ridge)
        return np.asarray(self.items @ user + self.bias, np.float32)


class _Likes(NamedTuple):
    """Likes by user."""

    of_user: NDArray[np.int64]
    starts: NDArray[np.int32]
    liked: NDArray[np.int32]


@njit(cache=True)
def _bpr_epoch(epoch, likes, users, items, bias, rates):  # type: ignore[no-untyped-def]
    """As many steps as there are likes."""
    np.random.seed(epoch)
    of_user, starts, liked = likes
    rate, ridge = rates
    for _ in range(liked.size):
        at = np.random.randint(liked.size)
        user, better = of_user[at], liked[at]
        worse = np.random.randint(items.shape[0])
        own = liked[starts[user] : starts[user + 1]]
        place = np.searchsorted(own, worse)
        if place < own.size and own[place] == worse:
            continue
        taste = users[user].copy()
        lead = taste @ (items[better] - items[worse]) + bias[better] - bias[worse]
        step = rate / (1.0 + np.exp(lead))
        users[user] += step * (items[better] - items[worse]) - rate * ridge * taste
        items[better] += step * taste - rate * ridge * items[better]
        items[worse] -= step * taste + rate * ridge * items[worse]
        bias[better] += step - rate * ridge * bias[better]
        bias[worse] -= step + rate * ridge * bias[worse]


@njit(cache=True)
def _bpr_user(liked, user, items, bias, rate, ridge):  # type: ignore[no-untyped-def]
    """The taste of a user with these likes: thirty rounds, the films stay."""
    np.random.seed(0)
    for _ in range(30):
        for better in liked:
            worse = np.random.randint(items.shape[0])
            lead = user @ (items[better] - items[worse]) + bias[better] - bias[worse]
            user += rate / (1.0 + np.exp(lead)) * (items[better] - items[worse])
            user -= rate * ridge * user


def _nearest(rows: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """The n largest of each row, the others zero."""
    n = min(n, rows.shape[1] - 1)
    least = -np.partition(-rows, n - 1, axis=1)[:, n - 1]
    return np.where(rows >= least[:, None], rows, 0)
