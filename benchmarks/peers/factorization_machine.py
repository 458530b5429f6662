"""myFM (https://myfm.readthedocs.io): Bayesian factorization machines by Gibbs sampling."""

from __future__ import annotations

import contextlib
import io
import time
from dataclasses import dataclass

import myfm
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from peers.contest import Answer, Peer, Question
from reelstream.catalog import Catalog
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import MAX_CLOCK_LEAD_SECONDS

RANK, ITERATIONS, KEPT = 10, 300, 250
"""About those of its documentation's examples on MovieLens."""
SEED = 0
YEARS_A_COLUMN = 5


@dataclass(frozen=True)
class _Machine:
    has_features: bool

    def answer(self, question: Question) -> Answer:
        both = EventColumns.concatenate([question.known, question.asked])
        groups = [_one_hot(both.user_id), _one_hot(both.item_id)]
        if self.has_features:
            groups += [
                *_film_columns(both, question.catalog),
                _one_hot(both.timestamp // MAX_CLOCK_LEAD_SECONDS),
            ]
        # Users, films and days that are only asked have columns too: they are drawn from the prior
        # of their group.
        n = len(question.known)
        table = sp.hstack(groups, format="csr")
        machine = myfm.MyFMRegressor(rank=RANK, random_seed=SEED)
        started = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            machine.fit(
                table[:n],
                question.known.rating.astype(float),
                n_iter=ITERATIONS,
                n_kept_samples=KEPT,
                group_shapes=[group.shape[1] for group in groups],
            )
        seconds = time.perf_counter() - started
        return Answer(np.asarray(machine.predict(table[n:]), np.float64), seconds)


def plain() -> Peer:
    """Users and films."""
    return _Machine(has_features=False)


def with_features() -> Peer:
    """Genres and era of the film and the day of the rating besides."""
    return _Machine(has_features=True)


def _one_hot(values: NDArray[np.int64]) -> sp.csr_matrix:
    distinct, column = np.unique(values, return_inverse=True)
    n = len(values)
    return sp.csr_matrix((np.ones(n), (np.arange(n), column)), shape=(n, len(distinct)))


def _film_columns(ratings: EventColumns, catalog: Catalog) -> list[sp.csr_matrix]:
    """Genres, each film's of unit length, and its era."""
    items, row = np.unique(ratings.item_id, return_inverse=True)
    films = [catalog.get(int(item)) for item in items]
    genres = np.zeros((len(films), len(catalog.genres)))
    for place, film in zip(genres, films, strict=True):
        held = film.genres if film else ()
        place[[catalog.genres.index(genre) for genre in held]] = 1 / np.sqrt(max(len(held), 1))
    era = np.array(
        [((film.year if film else None) or 0) // YEARS_A_COLUMN for film in films], np.int64
    )
    return [sp.csr_matrix(genres)[row], _one_hot(era)[row]]
