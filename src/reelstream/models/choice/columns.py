"""Item-item weights: how much each rated film speaks for each other film.

A user's vector x has a one for each film that he or she rated. A film j is explained by the others,
`x_j ~ sum_i x_i b_ij` with `b_jj = 0`, by ridge regression over all users. All columns together
have a closed form (EASE; Steck, *Embarrassingly Shallow Autoencoders for Sparse Data*, WWW 2019):

    P = inv(X'X + lam I),   b_ij = -P_ij / P_jj

Of each column the NEIGHBOURS largest weights are kept and fitted again by themselves (Steck,
*Markov Random Fields for Collaborative Filtering*, NeurIPS 2019), so that a model stays small and a
history is scored by adding up some rows. Films beyond MAX_COLUMNS, and those with a single rating,
have no column; they are recommended for the other reasons of the mixture, and live ratings give
them one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular
from scipy.sparse import csr_array

from reelstream.compute import threads
from reelstream.compute.arrays import Floats, Ints

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
# Columns that a thread takes at once.
BLOCK = 256


# A warm set fits a column again when its film has so many more ratings than at its last fit.
GROWTH = 1.05


class Weights(NamedTuple):
    """N weights in any order."""

    sources: NDArray[np.int64]
    """(N,): rows of the films that were rated."""
    targets: NDArray[np.int64]
    """(N,): rows of the films that they speak for."""
    weights: NDArray[np.float32]
    """(N,)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemColumns:
    """The weights b of I films, by the film that was rated: N weights."""

    starts: NDArray[np.int64]
    """(I + 1,): where the weights of each rated film begin."""
    targets: NDArray[np.int32]
    """(N,): rows of the films that it speaks for."""
    weights: NDArray[np.float32]
    """(N,): rounded to half precision."""
    variances: NDArray[np.float32]
    """(I,): the diagonal of P; zero for a film without a column."""
    counts: NDArray[np.int64]
    """(I,): ratings of each film when its column was fitted; zero without a column."""

    @classmethod
    def empty(cls, n_items: int) -> ItemColumns:
        """No film speaks for another."""
        return cls(
            starts=np.zeros(n_items + 1, np.int64),
            targets=np.empty(0, np.int32),
            weights=np.empty(0, np.float32),
            variances=np.zeros(n_items, np.float32),
            counts=np.zeros(n_items, np.int64),
        )

    def add(
        self, rows: NDArray[np.int64], factors: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> None:
        """Add to `scores` (at least I, C) the weights of the rated films `rows` (n,), times
        `factors` (n, C).
        """
        add_rows(self.starts, self.targets, self.weights, rows, factors, scores)

    def in_rows(self, rows: NDArray[np.int64], n_items: int) -> ItemColumns:
        """The same weights where item i has the row `rows[i]` (I,) among `n_items`; items with -1
        are left out.
        """
        sources = rows[np.repeat(np.arange(len(rows)), np.diff(self.starts))]
        targets = rows[self.targets]
        kept = (sources >= 0) & (targets >= 0)
        variances, counts = np.zeros(n_items, np.float32), np.zeros(n_items, np.int64)
        variances[rows[rows >= 0]] = self.variances[rows >= 0]
        counts[rows[rows >= 0]] = self.counts[rows >= 0]
        weights = Weights(sources[kept], targets[kept], self.weights[kept])
        return by_source(weights, variances, counts)

    def of_targets(self, chosen: NDArray[np.bool_]) -> Weights:
        """The columns of the chosen films, a mask (I,)."""
        kept = chosen[self.targets]
        sources = np.repeat(np.arange(len(self.counts)), np.diff(self.starts))
        return Weights(sources[kept], self.targets[kept].astype(np.int64), self.weights[kept])

    def between(
        self, sources: NDArray[np.int64], targets: NDArray[np.int64], n_films: int
    ) -> NDArray[np.float32]:
        """The weights (n, k) that rated films (n,) give to some of `n_films` films (k,)."""
        places = np.full(n_films, -1, np.int64)
        places[targets] = np.arange(len(targets))
        found = np.zeros((len(sources), len(targets)), np.float32)
        find_weights(self.starts, self.targets, self.weights, sources, places, found)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPairs:
    """Who rated what: N pairs of U users and I items, each pair once."""

    user_rows: NDArray[np.int64]
    """(N,), rising."""
    item_rows: NDArray[np.int64]
    """(N,)"""
    n_users: int
    n_items: int


RowsOf = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Rows of P for some columns (k,): (k, n_columns), each up to a factor."""


def fit_columns(pairs: RatedPairs, before: ItemColumns | None = None) -> ItemColumns:
    """The columns of these ratings, the same bits on any number of threads.

    `before`: those of the set in service, in the same rows. A column stays as it is until its film
    has GROWTH times the ratings.
    """
    counts = np.bincount(pairs.item_rows, minlength=pairs.n_items)
    heads = _films_with_column(counts)
    if len(heads) < 2:
        return ItemColumns.empty(pairs.n_items)
    ridge = RIDGE * float(np.sqrt(len(pairs.item_rows) / np.count_nonzero(counts)))
    position = np.full(pairs.n_items, -1, np.int64)
    position[heads] = np.arange(len(heads))
    chosen = position[pairs.item_rows] >= 0
    columns = position[pairs.item_rows[chosen]]
    rated = csr_array(
        (np.ones(len(columns), np.float32), (pairs.user_rows[chosen], columns)),
        shape=(pairs.n_users, len(heads)),
    )
    gram = _gram(rated)
    stays = _stays(counts, heads, before)
    due = np.flatnonzero(~stays[heads])
    is_rare = counts[heads[due]] < FEW_RATINGS
    invert = _inverse_by_users if pairs.n_users < len(heads) else _inverse_by_items
    diagonal, rows_of = invert(rated, gram, ridge)
    parts = []
    for columns, size in ((due[~is_rare], NEIGHBOURS), (due[is_rare], FEW_NEIGHBOURS)):
        near = _neighbours(rows_of, columns, min(size, len(heads) - 1))
        weights = _fit_again(gram, columns, near, ridge / 2)
        halved = weights.astype(np.float16).astype(np.float32).ravel()
        kept = halved != 0
        sources, targets = heads[near.ravel()], np.repeat(heads[columns], near.shape[1])
        parts.append(Weights(sources[kept], targets[kept], halved[kept]))
    fitted_counts, variances = np.zeros_like(counts), np.zeros(pairs.n_items, np.float32)
    variances[heads], fitted_counts[heads[due]] = diagonal, counts[heads[due]]
    if before is not None:
        fitted_counts[stays] = before.counts[stays]
        parts.append(before.of_targets(stays))
    found = Weights(
        np.concatenate([part.sources for part in parts]),
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.weights for part in parts]),
    )
    return by_source(found, variances, fitted_counts)


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


def _gram(rated: csr_array) -> NDArray[np.float32]:
    """X'X (n_columns, n_columns), whose entries are whole numbers: exact."""
    by_item = rated.tocsc()
    gram = np.zeros((rated.shape[1], rated.shape[1]), np.float32)
    threads.share(count_pairs, by_item.indptr, by_item.indices, rated.indptr, rated.indices, gram)
    return gram


def _inverse_by_users(
    rated: csr_array, gram: NDArray[np.float32], ridge: float
) -> tuple[NDArray[np.float32], RowsOf]:
    """The diagonal of P (n_columns,), and its rows up to a factor for each.

    With fewer users than films the inverse is one by users: P = (I - A'A) / lam.
    """
    kernel = (rated @ rated.T).toarray().astype(np.float64)
    kernel[np.diag_indices_from(kernel)] += ridge
    factor = np.linalg.cholesky(kernel)
    a = solve_triangular(factor, rated.toarray().astype(np.float64), lower=True)
    a = np.ascontiguousarray(a, np.float32)
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


def _neighbours(rows_of: RowsOf, columns: NDArray[np.int64], n: int) -> NDArray[np.int32]:
    """The films (k, n) of largest weight in each of some columns (k,)."""
    near = np.empty((len(columns), n), np.int32)

    def fill(block: slice) -> None:
        _keep_largest(rows_of(columns[block]), columns[block], near[block])

    _in_blocks(fill, len(columns))
    return near


def _keep_largest(
    rows: NDArray[np.float32], columns: NDArray[np.int64], near: NDArray[np.int32]
) -> None:
    """Fill `near` (k, n_near) from the weights `rows` (k, n_columns) of some columns (k,), up to a
    factor for each.
    """
    size = np.abs(rows)
    size[np.arange(len(size)), columns] = -1
    n_near = near.shape[1]
    largest = np.argpartition(size, size.shape[1] - n_near, axis=1)[:, -n_near:]
    # Rising: the system that is gathered from them is then read in the order of memory.
    near[:] = np.sort(largest, axis=1)


def _fit_again(
    gram: NDArray[np.float32], due: NDArray[np.int64], near: NDArray[np.int32], ridge: float
) -> NDArray[np.float32]:
    """The weights (n, n_near) of the neighbours of the columns `due` (n,), by a ridge regression
    for each.
    """
    weights = np.empty(near.shape, np.float32)

    def fill(block: slice) -> None:
        n_near = near.shape[1]
        system = np.empty((n_near, n_near), np.float32)
        for place in range(block.start, block.stop):
            gather(gram, near[place], ridge, system)
            # Its transpose is in the order of LAPACK, which so reads the upper triangle.
            _, weights[place], _ = lapack.sposv(
                system.T, gram[near[place], due[place]], lower=0, overwrite_a=1
            )

    _in_blocks(fill, len(near))
    return weights


def by_source(
    found: Weights, variances: NDArray[np.float32], counts: NDArray[np.int64]
) -> ItemColumns:
    """The columns with these weights."""
    # By target too: the same columns are the same bytes, whichever were fitted now.
    order = np.lexsort((found.targets, found.sources))
    return ItemColumns(
        starts=np.searchsorted(found.sources[order], np.arange(len(variances) + 1)),
        targets=found.targets[order].astype(np.int32),
        weights=found.weights[order],
        variances=variances,
        counts=counts,
    )


def _in_blocks(fill: Callable[[slice], None], n: int) -> None:
    """Call `fill` for all of n columns, some at once."""

    def blocks() -> Iterator[slice]:
        for first in range(0, n, BLOCK):
            yield slice(first, min(first + BLOCK, n))

    with ThreadPoolExecutor(threads.count()) as pool:
        list(pool.map(fill, blocks()))


@njit(cache=True, nogil=True)
def count_pairs(
    thread: int,
    n_threads: int,
    item_starts: Ints,
    users: Ints,
    user_starts: Ints,
    items: Ints,
    gram: Floats,
) -> None:
    """Count in `gram` (I, I) the users that each two items share; a thread takes every n-th
    item.
    """
    for i in range(thread, item_starts.size - 1, n_threads):
        for at in range(item_starts[i], item_starts[i + 1]):
            user = users[at]
            for other in range(user_starts[user], user_starts[user + 1]):
                gram[i, items[other]] += 1.0


@njit(cache=True, nogil=True)
def gather(gram: Floats, rows: Ints, ridge: float, system: Floats) -> None:
    """Copy what `rows` (n,), rising, have with each other into the lower triangle of `system`
    (n, n), with `ridge` on its diagonal.
    """
    for a in range(rows.size):
        for b in range(a + 1):
            system[a, b] = gram[rows[a], rows[b]]
        system[a, a] += ridge


@njit(cache=True, nogil=True)
def find_weights(
    starts: Ints, targets: Ints, weights: Floats, sources: Ints, places: Ints, found: Floats
) -> None:
    """See `ItemColumns.between`."""
    for k in range(sources.size):
        for at in range(starts[sources[k]], starts[sources[k] + 1]):
            place = places[targets[at]]
            if place >= 0:
                found[k, place] = weights[at]


@njit(cache=True, nogil=True)
def add_rows(
    starts: Ints, targets: Ints, weights: Floats, rows: Ints, factors: Floats, scores: Floats
) -> None:
    """See `ItemColumns.add`."""
    for k in range(rows.size):
        for at in range(starts[rows[k]], starts[rows[k] + 1]):
            for channel in range(factors.shape[1]):
                scores[targets[at], channel] += factors[k, channel] * weights[at]
