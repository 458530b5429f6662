"""Ratings as a chain reads them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.engines.kernels.session_effect import TimedRatings
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings.columns import EventColumns


@dataclass(frozen=True, slots=True)
class Side:
    """The ratings of one side, grouped by row: n rows, N ratings."""

    keys: NDArray[np.int64]
    """(n,): the position of one of the row's ratings, of a user the earliest and of an item the
    first in the log. They key the noise, so that a fit does not depend on how ids are written.
    """
    starts: NDArray[np.int64]
    """(n + 1,): where each row's ratings begin."""
    others: NDArray[np.int32]
    """(N,): rows of the other side."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """N ratings as a chain reads them: in order of user and time, and again grouped by item."""

    users: Side
    items: Side
    centred: NDArray[np.float32]
    """(N,): ratings less their mean, by user and time."""
    gaps: NDArray[np.float32]
    """(N,): seconds since the user's rating before, by user and time; infinite at the first."""
    by_item: NDArray[np.uint32]
    """(N,): positions in that order, grouped by item."""
    mean: float

    @classmethod
    def of(
        cls,
        ratings: EventColumns,
        users: Vocabulary,
        items: Vocabulary,
        *,
        mean: float | None = None,
    ) -> TrainingData:
        """From ratings sorted by user and time; `mean` is theirs unless they are a part of all."""
        user_rows, item_rows = users.rows(ratings.user_id), items.rows(ratings.item_id)
        if mean is None:
            mean = float(ratings.rating.mean(dtype=np.float64))
        # Stable: an item's ratings stay in order of users, and sums over them keep their last bit.
        by_item = np.argsort(item_rows, kind="stable").astype(np.uint32)
        starts = _starts(user_rows, len(users))
        times = ratings.timestamp
        # Differences of integers: as float32 a time is exact to two minutes only.
        gaps = np.diff(times, prepend=times[:1]).astype(np.float32)
        # Right only since each of `users` has a rating here: a start is then that user's own first.
        gaps[starts[:-1]] = np.inf
        item_starts, positions = _starts(item_rows, len(items)), ratings.positions
        return cls(
            Side(positions[starts[:-1]], starts, item_rows.astype(np.int32)),
            Side(
                _first_positions(positions[by_item], item_starts),
                item_starts,
                user_rows.astype(np.int32)[by_item],
            ),
            ratings.rating - np.float32(mean),
            gaps,
            by_item,
            mean,
        )

    @property
    def user_rows(self) -> NDArray[np.int64]:
        """(N,): the user of each rating, by user and time."""
        return np.repeat(np.arange(len(self.users.keys)), np.diff(self.users.starts))

    @property
    def item_rows(self) -> NDArray[np.int64]:
        """(N,): the item of each rating, by user and time."""
        return self.users.others.astype(np.int64)

    def of_users(self, rows: NDArray[np.int64]) -> TrainingData:
        """A copy of what the users of these rows (rising) rated; nothing grouped by item."""
        counts = np.diff(self.users.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        offsets = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
        chosen = np.repeat(self.users.starts[rows], counts) + offsets
        return TrainingData.by_user(
            Side(self.users.keys[rows], starts, self.users.others[chosen]),
            self.centred[chosen],
            self.gaps[chosen],
        )

    @classmethod
    def by_user(
        cls, users: Side, centred: NDArray[np.float32], gaps: NDArray[np.float32]
    ) -> TrainingData:
        """Data of which nothing is grouped by item."""
        nothing = np.empty(0, np.int64)
        items = Side(nothing, nothing, nothing.astype(np.int32))
        return cls(users, items, centred, gaps, nothing.astype(np.uint32), 0.0)

    @classmethod
    def joined(cls, parts: list[TrainingData]) -> TrainingData:
        """Several users' data, one after the other; nothing grouped by item."""
        counts = np.concatenate([np.diff(part.users.starts) for part in parts])
        users = Side(
            np.concatenate([part.users.keys for part in parts]),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.concatenate([part.users.others for part in parts]),
        )
        return cls.by_user(
            users,
            np.concatenate([part.centred for part in parts]),
            np.concatenate([part.gaps for part in parts]),
        )

    def timed_ratings(self) -> TimedRatings:
        """The ratings as the session effect's kernels read them."""
        starts = self.users.starts
        longest = int(np.diff(starts).max())
        return TimedRatings(starts, self.users.others, self.centred, self.gaps, longest)


def _first_positions(positions: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The smallest position (n,) of each row's ratings, of which the first are at `starts`
    (n + 1,); of a row without any the largest number there is.
    """
    first = np.full(len(starts) - 1, np.iinfo(np.int64).max)
    has_any = np.diff(starts) > 0
    first[has_any] = np.minimum.reduceat(positions, starts[:-1][has_any])
    return first


def _starts(rows: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
