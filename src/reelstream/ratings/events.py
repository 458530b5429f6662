"""What happens on the stream: a user rates an item, deletes a rating, dismisses an item, or has
everything erased.

`item` is a film here and everywhere in the code; messages and files keep MovieLens's names `userId`
and `movieId`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeAlias

import msgspec

from reelstream.errors import RatingError
from reelstream.ratings.scale import RatingScale

MAX_ID: Final = 2**63 - 1
# How far an event's time may be ahead of the clock of whoever took it in.
MAX_CLOCK_LEAD_SECONDS: Final = 86_400


class EventKind(IntEnum):
    """Which of the four an event is, where many lie in columns."""

    RATED = 0
    DELETED = 1
    ERASED = 2
    DISMISSED = 3


# `gc=False`: made by the thousand and never in a cycle, so no collector need visit them.
class Rated(msgspec.Struct, frozen=True, gc=False):
    """A user rates an item; an earlier rating of the same item is replaced.

    >>> Rated(user_id=1, item_id=31, rating=4.5, timestamp=1260759144).rating
    4.5
    """

    user_id: int
    item_id: int
    rating: float
    """On the data set's scale."""
    timestamp: int
    """Seconds since 1970, UTC."""


class Deleted(msgspec.Struct, frozen=True, gc=False):
    """A tombstone: the user's rating of one item is deleted."""

    user_id: int
    item_id: int
    timestamp: int
    """Seconds since 1970, UTC."""


class Dismissed(msgspec.Struct, frozen=True, gc=False):
    """The user is not interested in an item: no rating, and it is not to be recommended.

    A tombstone with a mark: it takes the place of the user's rating of the item, and ends with the
    next rating or deletion.
    """

    user_id: int
    item_id: int
    timestamp: int
    """Seconds since 1970, UTC."""


class Erased(msgspec.Struct, frozen=True, gc=False):
    """Everything that the user has rated and dismissed so far is erased."""

    user_id: int
    timestamp: int
    """Seconds since 1970, UTC."""


Event: TypeAlias = Rated | Deleted | Dismissed | Erased


def check(event: Event, clock_seconds: int, scale: RatingScale) -> None:
    """Hold one event against the contract; `clock_seconds` is when it was taken in, by a clock of
    ours.

    Raises RatingError.
    """
    check_id("userId", event.user_id)
    if not isinstance(event, Erased):
        check_id("movieId", event.item_id)
    if isinstance(event, Rated) and not scale.holds(event.rating):
        # What many data sets write where a user has seen an item and not rated it.
        is_unrated = event.rating in (0, -1) and event.rating < scale.lowest
        raise RatingError(
            f"rating {event.rating:g} is not on the scale {scale.lowest:g} to {scale.highest:g} "
            f"in steps of {scale.step:g}{': it is taken for unrated' if is_unrated else ''}"
        )
    check_time(event.timestamp, clock_seconds)


def check_id(name: str, number: int) -> None:
    """Raises RatingError when `number` is no id; `name` is its field's."""
    if not 0 <= number <= MAX_ID:
        raise RatingError(f"{name} {number} is not between 0 and 2^63 - 1")


def check_time(timestamp: int, clock_seconds: int) -> None:
    """Raises RatingError when a time lies before 1970, or too far ahead of the clock."""
    if timestamp < 0:
        raise RatingError(f"timestamp {timestamp} is before 1970")
    if timestamp > clock_seconds + MAX_CLOCK_LEAD_SECONDS:
        raise RatingError(
            f"timestamp {timestamp} is more than a day after {clock_seconds}, when it was taken in"
        )
