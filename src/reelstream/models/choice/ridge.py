"""Fits the columns of `columns.py` by ridge regression, all films at once in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular
from scipy.sparse import csr_array

from reelstream.compute import threads
from reelstream.compute.arrays import Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.models.choice.columns import ItemColumns, Weights, by_source

# Films, the most rated first, that get a column. The Gram matrix and its inverse are dense, 1.8 GB
# together at this size; of 32 million ratings these films have 99 in a hundred.
MAX_COLUMNS = 15_000
MIN_RATINGS = 2
# Weights that a column keeps; 200 score as all do, 100 a little worse. A film with few ratings says
# little of many others: a quarter is enough, at a tenth of the time.
NEIGHBOURS, FEW_NEIGHBOURS, FEW_RATINGS = 200, 50, 8
# lam is this times the square root of the mean number of ratings a film: found on ml-1m, and near
# the best on streams from a hundredth to ten times its size.
RIDGE = 60.0
# A warm set fits a column again when its film has so many more ratings than at its last fit.
GROWTH = 1.05
# Columns that a thread takes at once.
BLOCK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPairs:
    """Who rated what: N pairs of U users and I items, each pair once."""

    user_rows: NDArray[np.int64]
    """(N,), rising."""
    item_rows: NDArray[np.int64]
    """(N,)"""
    n_users: int
    n_items: int


def fit_columns(pairs: RatedPairs, before: ItemColumns | None = None) -> ItemColumns:
    """The columns of these ratings, the same bits on any number of threads.

    `before`: those of the set in service, in the same rows. A column stays as it is until its film
    has GROWTH times the ratings.
    """
    counts = np.bincount(pairs.item_rows, minlength=pairs.n_items)
    heads = _films_with_column(counts)
    if len(heads) < 2:
        return ItemColumns.empty(pairs.n_items)
    stays = _stays(counts, heads, before)
    due = np.flatnonzero(~stays[heads])
    is_rare = counts[heads[due]] < FEW_RATINGS
    regressions = _Regressions.of(pairs, heads, counts)
    parts = [
        regressions.fit(due[~is_rare], NEIGHBOURS),
        regressions.fit(due[is_rare], FEW_NEIGHBOURS),
    ]
    fitted_counts, variances = np.zeros_like(counts), np.zeros(pairs.n_items, np.float32)
    variances[heads], fitted_counts[heads[due]] = regressions.variances, counts[heads[due]]
    if before is not None:
        fitted_counts[stays] = before.counts[stays]
        parts.append(before.of_targets(stays))
    return by_source(Weights.concatenate(parts), variances, fitted_counts)


def _stays(
    counts: NDArray[np.int64], heads: NDArray[np.int64], before: ItemColumns | None
) -> NDArray[np.bool_]:
    """Which films (n_items,) keep the column that they have."""
    stays = np.zeros(len(counts), bool)
    if before is not None:
        fitted = before.counts[heads]
        # Fewer ratings than then: a batch was excluded, and what it taught must go.
        stays[heads] = (counts[heads] >= fitted) & (counts[heads] < GROWTH * fitted)
    return stays


def _films_with_column(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Their rows, rising."""
    by_count = np.argsort(-counts, kind="stable")[:MAX_COLUMNS]
    return np.sort(by_count[counts[by_count] >= MIN_RATINGS])


RowsOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Rows of P for some columns (k,): (k, K), each up to a factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Regressions:
    """The regressions of the K films that get a column."""

    heads: NDArray[np.int64]
    """(K,): their rows, rising."""
    gram: NDArray[np.float32]
    """(K, K): the lower triangle of X'X."""
    ridge: float
    variances: NDArray[np.float32]
    """(K,): the diagonal of P."""
    rows_of: RowsOf

    @classmethod
    def of(
        cls, pairs: RatedPairs, heads: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> _Regressions:
        """Those of all ratings of the films in the rows `heads`; `counts`: ratings of all films."""
        position = np.full(pairs.n_items, -1, np.int64)
        position[heads] = np.arange(len(heads))
        chosen = position[pairs.item_rows] >= 0
        columns = position[pairs.item_rows[chosen]]
        rated = csr_array(
            (np.ones(len(columns), np.float32), (pairs.user_rows[chosen], columns)),
            shape=(pairs.n_users, len(heads)),
        )
        gram = _gram(rated)
        ridge = RIDGE * float(np.sqrt(len(pairs.item_rows) / np.count_nonzero(counts)))
        invert = _inverse_by_users if pairs.n_users < len(heads) else _inverse_by_items
        variances, rows_of = invert(rated, gram, ridge)
        return cls(heads=heads, gram=gram, ridge=ridge, variances=variances, rows_of=rows_of)

    def fit(self, columns: NDArray[np.int64], n_neighbours: int) -> Weights:
        """The weights of some columns (k,), as they are saved: in half precision."""
        n = min(n_neighbours, len(self.heads) - 1)
        near, weights = np.empty((len(columns), n), np.int32), np.empty((len(columns), n), "f4")

        def fit_every(thread: int, n_threads: int) -> None:
            for first in range(BLOCK * thread, len(columns), BLOCK * n_threads):
                block = slice(first, first + BLOCK)
                _keep_largest(self.rows_of(columns[block]), columns[block], near[block])
                self._solve(columns[block], near[block], weights[block])

        threads.share(fit_every)
        halved = weights.astype(np.float16).astype(np.float32).ravel()
        kept = halved != 0
        sources, targets = self.heads[near.ravel()], np.repeat(self.heads[columns], n)
        return Weights(sources[kept], targets[kept], halved[kept])

    def _solve(
        self, columns: NDArray[np.int64], near: NDArray[np.int32], weights: NDArray[np.float32]
    ) -> None:
        """Fill `weights` (k, n) with those of the neighbours `near` (k, n), rising, of `columns`
        (k,): a ridge regression on these alone for each.
        """
        system = np.empty((near.shape[1], near.shape[1]), np.float32)
        for place, column in enumerate(columns):
            rows = near[place]
            gather(self.gram, rows, self.ridge / 2, system)
            shared = self.gram[np.maximum(rows, column), np.minimum(rows, column)]
            # Its transpose is in the order of LAPACK, which so reads the upper triangle.
            _, weights[place], _ = lapack.sposv(system.T, shared, lower=0, overwrite_a=1)


def _gram(rated: csr_array) -> NDArray[np.float32]:
    """The lower triangle of X'X (K, K), whose entries are whole numbers: exact."""
    rated.sort_indices()
    by_item = rated.tocsc()
    gram = np.zeros((rated.shape[1], rated.shape[1]), np.float32)
    threads.share(count_pairs, by_item.indptr, by_item.indices, rated.indptr, rated.indices, gram)
    return gram


def _inverse_by_users(
    rated: csr_array, gram: NDArray[np.float32], ridge: float
) -> tuple[NDArray[np.float32], RowsOf]:
    """The diagonal of P (K,), and its rows up to a factor for each.

    With fewer users than films the inverse is one by users: P = (I - A'A) / lam.
    """
    kernel = (rated @ rated.T).toarray().astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += ridge
    factor = np.linalg.cholesky(kernel).astype(np.float32)
    a = np.ascontiguousarray(solve_triangular(factor, rated.toarray(), lower=True))
    diagonal: NDArray[np.float32] = 1 - (a * a).sum(0)
    return diagonal / np.float32(ridge), lambda columns: a[:, columns].T @ a


def _inverse_by_items(
    rated: csr_array, gram: NDArray[np.float32], ridge: float
) -> tuple[NDArray[np.float32], RowsOf]:
    """The same where there are more users than films."""
    regular = gram.copy(order="F")
    regular[np.diag_indices_from(regular)] += ridge
    # Lower triangles, in place: at 15,000 films another copy is 0.9 GB.
    factor, _ = lapack.spotrf(regular, lower=1, overwrite_a=1, clean=0)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)

    def rows_of(columns: NDArray[np.int64]) -> NDArray[np.float32]:
        # Of a symmetric matrix only the lower triangle is right: column j below the diagonal, and
        # row j left of it.
        is_below = np.arange(len(inverse)) >= columns[:, None]
        return np.asarray(np.where(is_below, inverse[:, columns].T, inverse[columns]))

    return np.diag(inverse).copy(), rows_of


def _keep_largest(
    rows: NDArray[np.float32], columns: NDArray[np.int64], near: NDArray[np.int32]
) -> None:
    """Fill `near` (k, n_near) from the weights `rows` (k, K) of some columns (k,), up to a factor
    for each.
    """
    size = np.abs(rows)
    size[np.arange(len(size)), columns] = -1
    n_near = near.shape[1]
    largest = np.argpartition(size, size.shape[1] - n_near, axis=1)[:, -n_near:]
    # Rising: the system that is gathered from them is then read in the order of memory.
    near[:] = np.sort(largest, axis=1)


@compiled()
def count_pairs(
    thread: int,
    n_threads: int,
    item_starts: Ints,
    users: Ints,
    user_starts: Ints,
    items: Ints,
    gram: Floats,
) -> None:
    """Count in the lower triangle of `gram` (I, I) the users that each two items share; the items
    of each user are rising. A thread takes every n-th item.
    """
    for i in range(thread, item_starts.size - 1, n_threads):
        for at in range(item_starts[i], item_starts[i + 1]):
            user = users[at]
            for other in range(user_starts[user], user_starts[user + 1]):
                if items[other] > i:
                    break
                gram[i, items[other]] += 1.0


@compiled()
def gather(gram: Floats, rows: Ints, ridge: float, system: Floats) -> None:
    """Copy what `rows` (n,), rising, have with each other into the lower triangle of `system`
    (n, n), with `ridge` on its diagonal.
    """
    for a in range(rows.size):
        for b in range(a + 1):
            system[a, b] = gram[rows[a], rows[b]]
        system[a, a] += ridge
