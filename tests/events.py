"""Events from plain values, as tests write them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.events import Deleted, Dismissed, Erased, Event, Rated


def event(user: int, item: int, rating: float | None, timestamp: int) -> Event:
    """NO_ITEM erases; otherwise a rating of None deletes."""
    if item == NO_ITEM:
        return Erased(user, timestamp)
    return (
        Deleted(user, item, timestamp) if rating is None else Rated(user, item, rating, timestamp)
    )


def event_columns(
    user_id: ArrayLike,
    item_id: ArrayLike,
    rating: ArrayLike,
    timestamp: ArrayLike,
    partition: ArrayLike | None = None,
    offset: ArrayLike | None = None,
) -> EventColumns:
    """Columns in which a rating of NaN deletes and NO_ITEM erases; without a place, offsets 0, 1,
    ... of partition 0."""
    n = np.size(user_id)
    events = EventColumns.of(
        np.asarray(user_id),
        np.asarray(item_id),
        np.asarray(rating),
        np.asarray(timestamp),
        partition=np.zeros(n) if partition is None else np.asarray(partition),
        offset=np.arange(n) if offset is None else np.asarray(offset),
    )
    return EventColumns.with_nulls(lambda name: getattr(events, name))


def dismissals(
    user_id: list[int], item_id: list[int], timestamp: list[int], first_offset: int = 0
) -> EventColumns:
    """Events that dismiss items, in partition 0."""
    events = [Dismissed(*each) for each in zip(user_id, item_id, timestamp, strict=True)]
    n = len(events)
    return EventColumns.of_events(events, [0] * n, range(first_offset, first_offset + n))


def deletions_of(ratings: EventColumns, timestamp: ArrayLike | None = None) -> EventColumns:
    """Events that delete these ratings, in the same places of the log; at the same times unless
    others are given."""
    return event_columns(
        ratings.user_id,
        ratings.item_id,
        np.full(len(ratings), np.nan),
        ratings.timestamp if timestamp is None else timestamp,
        ratings.partition,
        ratings.offset,
    )
