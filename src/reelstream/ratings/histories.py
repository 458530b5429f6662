"""Every user's history: the ratings that count, sorted by user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import COLUMNS, EventColumns
from reelstream.ratings.effective import compact


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """One rating for each (user, item), the last; each user's rows are sorted by (timestamp,
    partition, offset).

    >>> events = EventColumns.of([7, 7, 3], [31, 31, 47], [2.0, 4.5, 3.0], [1, 2, 3])
    >>> Histories.of(events).of_user(7).rating.tolist()
    [4.5]
    """

    user_ids: NDArray[np.int64]
    """(n_users,), rising: the users who have ratings."""
    starts: NDArray[np.int64]
    """(n_users + 1,): the rows of user `u` are `starts[u]` up to, but without, `starts[u + 1]`."""
    ratings: EventColumns
    """All rows, sorted as EventColumns.by_user."""
    tombstones: EventColumns
    """The deletions, dismissals and erasures that still count, sorted alike: an older rating that
    arrives late stays deleted."""

    @classmethod
    def of(cls, events: EventColumns) -> Histories:
        """The histories that these events, in any order, add up to."""
        last = compact(events)
        is_rating = last.is_rating
        if is_rating.all():
            return cls.of_parts(last, EventColumns.empty())
        return cls.of_parts(last[is_rating], last[~is_rating])

    @classmethod
    def of_parts(cls, ratings: EventColumns, tombstones: EventColumns) -> Histories:
        """The histories with these ratings and tombstones, compacted and sorted."""
        is_first = np.ones(len(ratings), bool)
        np.not_equal(ratings.user_id[1:], ratings.user_id[:-1], out=is_first[1:])
        firsts = np.flatnonzero(is_first)
        return cls(
            user_ids=ratings.user_id[firsts],
            starts=np.append(firsts, len(ratings)).astype(np.int64),
            ratings=ratings,
            tombstones=tombstones,
        )

    def __len__(self) -> int:
        """The number of ratings."""
        return len(self.ratings)

    @property
    def first_positions(self) -> NDArray[np.int64]:
        """Where each user's earliest rating (n_users,) lies in the log. Who draws users in this
        order draws the same ones however ids are written.
        """
        return self.ratings[self.starts[:-1]].positions

    def of_user(self, user_id: int) -> EventColumns:
        """The ratings of one user, oldest first; none for an unknown user. Views, not copies."""
        row = int(np.searchsorted(self.user_ids, user_id))
        if row == len(self.user_ids) or self.user_ids[row] != user_id:
            return self.ratings[:0]
        return self.ratings[int(self.starts[row]) : int(self.starts[row + 1])]

    def dismissed_by(self, user_id: int) -> NDArray[np.int64]:
        """Ids of the items that one user has dismissed, and not rated since."""
        of_user = self.tombstones[self.tombstones.user_id == user_id]
        return of_user.item_id[of_user.is_dismissal]

    def of_users(self, user_ids: NDArray[np.int64]) -> EventColumns:
        """The ratings of these users (rising), in their order here; unknown users have none."""
        return self.ratings[rows_of_users(self.ratings, user_ids)]

    def merge(self, newer: EventColumns) -> Histories:
        """These histories with further events, which may be older than what is here.

        Only the users in `newer` are sorted again; all others are copied.
        """
        if not len(newer):
            return self
        users = np.unique(newer.user_id)
        touched = rows_of_users(self.ratings, users)
        # Tombstones take part: a late rating may be older than its deletion.
        touched_tombstones = rows_of_users(self.tombstones, users)
        last = compact(
            EventColumns.concatenate(
                [self.ratings[touched], self.tombstones[touched_tombstones], newer]
            )
        )
        return Histories.of_parts(
            _interleave(self.ratings[~touched], last[last.is_rating]),
            _interleave(self.tombstones[~touched_tombstones], last[~last.is_rating]),
        )


def rows_of_users(events: EventColumns, users: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows belong to these users (rising), of events sorted by user: two searches a user."""
    # The steps of an unknown user fall on one place and cancel, even after int8 has wrapped around.
    steps = np.zeros(len(events) + 1, np.int8)
    np.add.at(steps, np.searchsorted(events.user_id, users, side="left"), 1)
    np.add.at(steps, np.searchsorted(events.user_id, users, side="right"), -1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)


def _interleave(a: EventColumns, b: EventColumns) -> EventColumns:
    """Two columns sorted by user, of different users, as one."""
    if not len(b):
        return a
    # No user is in both, so equal ids never meet, and one search places all of a user's rows.
    positions = np.searchsorted(a.user_id, b.user_id) + np.arange(len(b))
    from_a = np.ones(len(a) + len(b), bool)
    from_a[positions] = False

    def merged(name: str) -> NDArray[Any]:
        column = np.empty(len(from_a), getattr(a, name).dtype)
        column[positions], column[from_a] = getattr(b, name), getattr(a, name)
        return column

    return EventColumns(**{name: merged(name) for name in COLUMNS})
