"""Queries and answers about users and what they rated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, Limit, Offset, Query
from reelstream.contract.ids import ShownItemId, ShownUserId, UserId
from reelstream.ratings.ids import MAX_ID_CHARACTERS


class UserQuery(Query):
    """One user's ratings."""

    user_id: UserId
    limit: Limit = 50
    offset: Offset = 0


class UsersQuery(Query):
    """A search for users."""

    query: Annotated[
        str,
        Field(
            max_length=MAX_ID_CHARACTERS,
            description="The id's first digits, or first letters in any case.",
            examples=["1"],
        ),
    ] = ""
    limit: Limit = 20


class UserSummary(Answer):
    """One user."""

    user_id: ShownUserId
    ratings: Annotated[int, Field(ge=0, description="How many films the user has rated.")]


class UsersAnswer(Answer):
    """The users that a search found."""

    users: list[UserSummary]
    total: Annotated[int, Field(ge=0, description="How many users have rated.")]


class RatedFilm(Answer):
    """One rating of a user."""

    item_id: ShownItemId
    title: str | None
    rating: float
    timestamp: Annotated[int, Field(description="Seconds since 1970, UTC.")]


class UserAnswer(Answer):
    """A user's ratings, newest first."""

    user_id: ShownUserId
    known_user: bool
    total: Annotated[int, Field(ge=0, description="How many films the user has rated.")]
    ratings: list[RatedFilm]
    next: Annotated[
        int | None, Field(description="`offset` of the ratings after these; null: there are none.")
    ] = None
