"""Who rates a film, and how."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, Query
from reelstream.contract.ids import ItemId, ShownItemId


class AudienceQuery(Query):
    """One film."""

    item_id: ItemId


class SegmentAudience(Answer):
    """The users of one segment among those who rated a film."""

    number: Annotated[int, Field(description="Of the segment.")]
    label: str
    users: Annotated[int, Field(ge=1, description="Of those whose segment was looked up.")]
    mean: Annotated[float, Field(description="Their mean rating.")]
    liked: Annotated[float, Field(ge=0, le=1, description="The share of them who like it.")]


class AudiencePeriod(Answer):
    """How a film was rated in one span of time."""

    start: Annotated[int, Field(description="The first second in it, since 1970, UTC.")]
    end: Annotated[int, Field(description="The second after it.")]
    ratings: Annotated[int, Field(ge=1, description="How many ratings that count are of it.")]
    mean: Annotated[float, Field(description="Of these.")]


class AudienceAnswer(Answer):
    """Who rates a film, and how."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    item_id: ShownItemId
    title: str | None
    ratings: Annotated[int, Field(ge=0, description="How many users have rated it.")]
    mean: Annotated[float | None, Field(description="Of their ratings; null without any.")]
    distribution: Annotated[
        dict[str, int], Field(description="How often each rating of the scale was given.")
    ]
    periods: Annotated[
        list[AudiencePeriod],
        Field(
            description="The ratings by time: twelve spans of one length, from the oldest rating "
            "to the newest, without those that have none."
        ),
    ] = Field(default_factory=list)
    sampled: Annotated[
        int, Field(ge=0, description="Users whose segment was looked up: of many, a thousand.")
    ]
    segments: Annotated[list[SegmentAudience], Field(description="The most frequent first.")]
