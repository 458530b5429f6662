"""Queries and answers about users and what they rated."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, Limit, NextOffset, Offset, Query
from reelstream.contract.ids import ShownItemId, ShownUserId, UserId
from reelstream.contract.predictions import Clustering
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
    offset: Offset = 0


class UserSummary(Answer):
    """One user."""

    user_id: ShownUserId
    ratings: Annotated[int, Field(ge=0, description="How many films the user has rated.")]


class UsersAnswer(Answer):
    """The users that a search found."""

    users: list[UserSummary]
    next: NextOffset = None
    total: Annotated[int, Field(ge=0, description="How many users have rated.")]


class RatedFilm(Answer):
    """One rating of a user."""

    item_id: ShownItemId
    title: str | None
    rating: float
    timestamp: Annotated[int, Field(description="Seconds since 1970, UTC.")]


class UserRatingsAnswer(Answer):
    """A user's ratings, newest first."""

    user_id: ShownUserId
    known_user: bool
    total: Annotated[int, Field(ge=0, description="How many films the user has rated.")]
    ratings: list[RatedFilm]
    next: NextOffset = None


class Activity(Answer):
    """How a user rates."""

    first: Annotated[int, Field(description="Time of the oldest rating, in seconds since 1970.")]
    last: Annotated[int, Field(description="Of the newest.")]
    mean: Annotated[float, Field(description="Of the ratings.")]
    distribution: Annotated[
        dict[str, int], Field(description="How often each rating of the scale was given.")
    ]


class Leaning(Answer):
    """By how much a user departs from others, in stars."""

    stars: float
    sd: Annotated[float, Field(ge=0, description="How uncertain that is: standard deviation.")]


class GenreLeaning(Leaning):
    """How much a user likes a genre."""

    genre: str


class UserAnswer(UserRatingsAnswer):
    """A user: ratings, newest first, and what they say of him or her."""

    activity: Annotated[Activity | None, Field(description="null: of a user without ratings.")] = (
        None
    )
    model_set: Annotated[
        int | None, Field(description="The set that the rest is from; null before the first.")
    ] = None
    segment: Clustering | None = None
    generosity: Annotated[
        Leaning | None,
        Field(
            description="By how much the user rates an average film higher than a user does of "
            "whom nothing is known."
        ),
    ] = None
    taste: Annotated[
        list[GenreLeaning],
        Field(
            description="By how much the user likes the films of a genre better than others, "
            "compared with a user of whom nothing is known; the best liked first."
        ),
    ] = Field(default_factory=list)


class SurprisesQuery(Query):
    """Ratings that were not expected."""

    user_id: UserId
    limit: Limit = 10
    offset: Offset = 0


class Surprise(RatedFilm):
    """A rating, and what was expected of it before."""

    predicted: Annotated[
        float, Field(description="Expected from the user's earlier ratings alone.")
    ]
    sd: Annotated[float, Field(ge=0, description="Standard deviation of that.")]
    surprise: Annotated[
        float, Field(description="How far the rating is from it, in standard deviations.")
    ]


class SurprisesAnswer(Answer):
    """A user's ratings, the most surprising first."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    user_id: ShownUserId
    ratings: list[Surprise]
    next: NextOffset = None
