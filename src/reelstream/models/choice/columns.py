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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from reelstream.compute.arrays import Floats, Ints
from reelstream.compute.compiled import compiled


class Weights(NamedTuple):
    """N weights in any order."""

    sources: NDArray[np.int64]
    """(N,): rows of the films that were rated."""
    targets: NDArray[np.int64]
    """(N,): rows of the films that they speak for."""
    weights: NDArray[np.float32]
    """(N,)"""

    @classmethod
    def concatenate(cls, parts: Sequence[Weights]) -> Weights:
        """Those of all parts, one after the other."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


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
        """Add to `scores` (C, at least I) the weights of the rated films `rows` (n,), times
        `factors` (C, n).
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


def by_source(
    found: Weights, variances: NDArray[np.float32], counts: NDArray[np.int64]
) -> ItemColumns:
    """The columns with these weights."""
    shape = (len(variances), len(variances))
    # By target too: the same columns are the same bytes, whichever were fitted now.
    rows = coo_array((found.weights, (found.sources, found.targets)), shape=shape).tocsc().tocsr()
    return ItemColumns(
        starts=rows.indptr.astype(np.int64),
        targets=rows.indices.astype(np.int32),
        weights=rows.data,
        variances=variances,
        counts=counts,
    )


@compiled()
def find_weights(
    starts: Ints, targets: Ints, weights: Floats, sources: Ints, places: Ints, found: Floats
) -> None:
    """See `ItemColumns.between`."""
    for k in range(sources.size):
        for at in range(starts[sources[k]], starts[sources[k] + 1]):
            place = places[targets[at]]
            if place >= 0:
                found[k, place] = weights[at]


@compiled()
def add_rows(
    starts: Ints, targets: Ints, weights: Floats, rows: Ints, factors: Floats, scores: Floats
) -> None:
    """See `ItemColumns.add`."""
    for channel in range(len(factors)):
        of_channel = scores[channel]
        for k in range(rows.size):
            factor = factors[channel, k]
            if factor != 0:  # most of a long history, where only the session counts
                for at in range(starts[rows[k]], starts[rows[k] + 1]):
                    of_channel[targets[at]] += factor * weights[at]
