"""The rule that decides which rating counts, in snapshots, batches and the log.

Of several events of one user and one item (ratings, deletions, dismissals) the last counts, and an
erasure drops all of its user's events before it. The last is the one with the largest (timestamp,
partition, offset), whatever the order of arrival. Spark says the same in SQL
(`engines/spark/frames.py`).
"""

from __future__ import annotations

import numpy as np

from reelstream.ratings.columns import EventColumns


def after_erasures(events: EventColumns) -> EventColumns:
    """The events without those before their user's last erasure, sorted as `EventColumns.by_user`.

    The last erasure itself stays.
    """
    rows = events.by_user()
    erasures = np.flatnonzero(rows.is_erasure)
    if not len(erasures):
        return rows
    # Its cumulative sum at a row is the number of the user's erasures after that row: up by one at
    # the user's first row for each erasure, down by one at the erasure.
    changes = np.zeros(len(rows), np.int64)
    np.add.at(changes, np.searchsorted(rows.user_id, rows.user_id[erasures]), 1)
    np.subtract.at(changes, erasures, 1)
    return rows[np.cumsum(changes) == 0]


def compact(events: EventColumns) -> EventColumns:
    """The last event of each user and item, and of each user the last erasure, sorted as
    `EventColumns.by_user`.

    Tombstones stay, so that an older rating which arrives late stays deleted, and what was
    dismissed is known.
    """
    rows = after_erasures(events)
    # A stable sort: one user's events of one item stay in order of time.
    order = np.lexsort((rows.item_id, rows.user_id))
    user, item = rows.user_id[order], rows.item_id[order]
    replaced = order[:-1][(user[1:] == user[:-1]) & (item[1:] == item[:-1])]
    if not len(replaced):
        return rows
    is_last = np.ones(len(rows), bool)
    is_last[replaced] = False
    return rows[is_last]


def effective_ratings(events: EventColumns) -> EventColumns:
    """The ratings that count, sorted as `EventColumns.by_user`."""
    last = compact(events)
    return last[last.is_rating]
