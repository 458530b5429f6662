"""Columns that learn between two sets, by an exact step for each rating.

A further row x of X, a user who now rates film j too, moves the ridge regression of column j by

    b_j += P x (1 - x'b_j) / (1 + x'P x),   P x = diag(P) (x - E),   E_i = x'b_i

(recursive least squares; Plackett, Biometrika 1950), where P is that of the set. Only the entries
of the user's own films are kept. So a live column is a sum over the users who rated it lately, each
with a number, and what these add to a history is computed from their films: a user counts by the
films that he or she shares with the history.

Memory is bounded: what the users who rated longest ago have changed is forgotten when their place
is needed, or a set comes that has learned it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reelstream.compute.arrays import Bools, Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.models.choice.columns import ItemColumns

# Users whose ratings since the set are kept, and films of each: a quarter of a millisecond a query
# at most. On ml-latest-small 100 users are as good as 400..
MAX_USERS, MAX_FILMS = 200, 500
_ARRAYS = ("_rows", "_gains", "_errors", "_lengths")


class LiveColumns:
    """What users who rated since a set was fitted add to its columns, of N films.

    Films beyond those of the set have rows after them.
    """

    def __init__(self, columns: ItemColumns, n_films: int) -> None:
        self._columns = columns
        # A film without a column has the variance of one that hardly anybody rated.
        self._variances = np.full(n_films, columns.variances.max(initial=0.0), np.float32)
        fitted = np.flatnonzero(columns.variances)
        self._variances[fitted] = columns.variances[fitted]
        self._places: dict[int, int] = {}
        """User -> place, the one who rated longest ago first."""
        self._free: list[int] = []
        """Places of users who were forgotten."""
        self._rows = np.zeros((0, MAX_FILMS), np.int32)
        self._gains = np.zeros((0, MAX_FILMS), np.float32)
        self._errors = np.zeros((0, MAX_FILMS), np.float32)
        self._lengths = np.zeros(0, np.int64)

    def add(
        self, rows: NDArray[np.int64], factors: NDArray[np.float32], scores: NDArray[np.float32]
    ) -> None:
        """Add to `scores` (C, N) what the rated films `rows` (n,), times `factors` (C, n), say of
        each film.
        """
        mask = np.zeros_like(scores)
        mask[:, rows] = factors
        add_live(self._lengths, self._rows, self._gains, self._errors, mask, scores)

    def update(self, user_id: int, known: NDArray[np.int64], new: NDArray[np.int64]) -> None:
        """Learn that a user who has rated the films `known` (n,), oldest first, has rated the films
        `new` (m,), one after the other.
        """
        place = self._place(user_id, known)
        expected = np.zeros(len(self._variances), np.float32)
        self._expect(self._own(place), expected)
        for row in new.tolist():
            own = self._own(place)
            if row in own:
                continue
            self._learn(place, own, row, expected)
            self._expect(np.array([row]), expected)

    def forget(self, user_id: int) -> None:
        """Keep nothing of a user, and nothing that he or she has changed."""
        place = self._places.pop(user_id, None)
        if place is not None:
            self._free.append(place)
            self._lengths[place] = 0
            self._rows[place] = 0

    def in_rows(self, rows: NDArray[np.int64], n_films: int) -> LiveColumns:
        """The same where film i has the row `rows[i]` (N,) among `n_films`, -1 for none; those of
        the set keep theirs.
        """
        moved = LiveColumns(self._columns, n_films)
        moved._places, moved._free = dict(self._places), list(self._free)
        moved._lengths = self._lengths.copy()
        places = rows[self._rows]
        moved._rows = np.maximum(places, 0).astype(np.int32)
        moved._gains = np.where(places >= 0, self._gains, 0).astype(np.float32)
        moved._errors = np.where(places >= 0, self._errors, 0).astype(np.float32)
        return moved

    def save(self, folder: Path) -> None:
        """Write what was learned as arrays into an existing folder."""
        users = np.array(list(self._places), np.int64)
        places = np.array(list(self._places.values()), np.int64)
        np.save(folder / "live_users.npy", users)
        for name in _ARRAYS:
            np.save(folder / f"live{name}.npy", getattr(self, name)[places])

    @classmethod
    def load(cls, folder: Path, columns: ItemColumns, n_films: int) -> LiveColumns:
        """Read what `save` wrote; a folder of an earlier version has nothing."""
        loaded = cls(columns, n_films)
        if (folder / "live_users.npy").exists():
            users = np.load(folder / "live_users.npy").tolist()
            loaded._places = {user: place for place, user in enumerate(users)}
            for name in _ARRAYS:
                setattr(loaded, name, np.load(folder / f"live{name}.npy"))
        return loaded

    def _learn(
        self, place: int, own: NDArray[np.int64], row: int, expected: NDArray[np.float32]
    ) -> None:
        n = len(own)
        gains = self._variances[own] * (1 - expected[own])
        self._gains[place, :n] = gains
        mask = np.zeros(len(expected), np.bool_)
        mask[own] = True
        live = live_score(self._lengths, self._rows, self._gains, self._errors, mask, row)
        error = (1 - expected[row] - live) / (1 + max(float(gains.sum()), 0.0))
        if n == MAX_FILMS:
            for name in _ARRAYS[:3]:
                kept = getattr(self, name)[place]
                kept[:-1] = kept[1:]
            n -= 1
        self._rows[place, n], self._errors[place, n] = row, error
        self._gains[place, n] = self._variances[row] * (1 - expected[row])
        self._lengths[place] = n + 1

    def _place(self, user_id: int, known: NDArray[np.int64]) -> int:
        """Where a user is kept; who is new takes the place of the one who rated longest ago."""
        place = self._places.pop(user_id, None)
        if place is None:
            if self._free:
                place = self._free.pop()
            elif len(self._places) == MAX_USERS:
                place = self._places.pop(next(iter(self._places)))
            else:
                place = len(self._places)
                self._grow(place + 1)
            own = known[-MAX_FILMS:]
            self._errors[place] = 0
            self._rows[place, : len(own)] = own
            self._lengths[place] = len(own)
        self._places[user_id] = place
        return place

    def _grow(self, n_users: int) -> None:
        """Make room for so many."""
        if n_users > len(self._lengths):
            more = ((0, max(len(self._lengths), 16)), (0, 0))
            self._rows = np.pad(self._rows, more)
            self._gains, self._errors = np.pad(self._gains, more), np.pad(self._errors, more)
            self._lengths = np.pad(self._lengths, more[0])

    def _own(self, place: int) -> NDArray[np.int64]:
        return self._rows[place, : self._lengths[place]].astype(np.int64)

    def _expect(self, rows: NDArray[np.int64], expected: NDArray[np.float32]) -> None:
        """Add what the set's columns expect of users who rated these films."""
        fitted = rows[rows < len(self._columns.counts)]
        self._columns.add(fitted, np.ones((1, len(fitted)), np.float32), expected[None])


@compiled()
def add_live(
    lengths: Ints, rows: Ints, gains: Floats, errors: Floats, mask: Floats, scores: Floats
) -> None:
    """See `LiveColumns.add`."""
    shared = np.zeros(len(mask), np.float32)
    for user in range(lengths.size):
        shared[:] = 0
        for k in range(lengths[user]):
            row, error = rows[user, k], errors[user, k]
            for channel in range(len(mask)):
                if error != 0:
                    scores[channel, row] += error * shared[channel]
                shared[channel] += gains[user, k] * mask[channel, row]


@compiled()
def live_score(
    lengths: Ints, rows: Ints, gains: Floats, errors: Floats, mask: Bools, film: int
) -> float:
    """What `add_live` adds to one film, for a history that has the films of `mask` (N,)."""
    score = 0.0
    for user in range(lengths.size):
        for k in range(lengths[user]):
            if rows[user, k] == film and errors[user, k] != 0:
                shared = 0.0
                for before in range(k):
                    if mask[rows[user, before]]:
                        shared += gains[user, before]
                score += errors[user, k] * shared
    return score
