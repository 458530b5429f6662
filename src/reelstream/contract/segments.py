"""What the API answers about segments."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import LIMIT_NAMES, Answer, Query, Whole
from reelstream.contract.ids import ShownItemId, ShownUserId

MAX_MAPPED_USERS = 1_000


class GenreLift(Answer):
    """A genre that a segment's users rate more, or less, than all users."""

    genre: str
    share: Annotated[
        float,
        Field(ge=0, description="Of such a user's ratings; a film of k genres counts 1/k in each."),
    ]
    lift: Annotated[
        float,
        Field(ge=0, description="That share over the share among all users: 2 is twice as much."),
    ]


class ExampleFilm(Answer):
    """A film, by its name."""

    item_id: ShownItemId
    title: str | None


class SegmentAnswer(Answer):
    """One segment; averages are over its users when the model set was trained."""

    number: Annotated[int, Field(description="Kept from set to set.")]
    label: Annotated[str, Field(description="What sets it apart.")]
    size: Annotated[int, Field(ge=0, description="How many users it had.")]
    ratings: Annotated[
        int, Field(ge=0, description="How many films such a user has rated; the median.")
    ]
    mean: Annotated[float, Field(description="A user's mean rating.")]
    spread: Annotated[float, Field(ge=0, description="Standard deviation of a user's ratings.")]
    genres: Annotated[
        list[GenreLift],
        Field(description="Those with the largest lift, among genres that are not rare."),
    ]
    films: Annotated[
        list[ExampleFilm],
        Field(description="Rated more often than expected by chance, the most striking first."),
    ]


class MapQuery(Query):
    """How many users to show on the map."""

    limit: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_MAPPED_USERS,
            description="How many users, evenly over their ids; `n` is the same.",
            validation_alias=LIMIT_NAMES,
        ),
        Whole,
    ] = 300


class MappedUser(Answer):
    """One user on the map."""

    user_id: ShownUserId
    segment: Annotated[int, Field(description="The number of the user's segment.")]
    ratings: Annotated[int, Field(ge=0, description="How many films the user has rated.")]
    x: Annotated[float, Field(description="In standard deviations of a profile.")]
    y: Annotated[float, Field(description="The same.")]


class MapAnswer(Answer):
    """Users on the plane on which the segments' centres are furthest apart; the average user lies
    at the origin, and who lies near one another has similar habits and tastes.
    """

    model_set: Annotated[int, Field(description="The number of the model set in service.")]
    users: list[MappedUser]
    total: Annotated[int, Field(ge=0, description="How many users have rated.")]


class SegmentsAnswer(Answer):
    """The segments of a model set, by number."""

    model_set: Annotated[int, Field(description="The number of the model set in service.")]
    segments: list[SegmentAnswer]
