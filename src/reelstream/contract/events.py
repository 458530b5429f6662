"""What happened on the stream lately, for a page that shows it live."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reelstream.contract.base import Answer, Limit, Query, Whole
from reelstream.contract.ids import ShownItemValue, ShownUserValue
from reelstream.ratings.events import MAX_ID


class EventsQuery(Query):
    """What happened after a cursor."""

    after: Annotated[
        Annotated[int, Field(ge=0, le=MAX_ID), Whole] | None,
        Field(description="A cursor, `next` of an earlier answer; the newest when absent."),
    ] = None
    limit: Limit = 50


StreamEventKind: TypeAlias = Literal[
    "rating",
    "deletion",
    "dismissal",
    "erasure",
    "ratings",
    "batch",
    "set",
    "refused",
    "swap",
    "failure",
]


class StreamEvent(Answer):
    """One thing that happened. What does not concern its kind is null."""

    cursor: Annotated[
        int, Field(description="When this server saw it, in microseconds since 1970, UTC.")
    ]
    kind: Annotated[
        StreamEventKind,
        Field(
            description="ratings: too many at once to list; set: published, and let pass by the "
            "gate; refused: by the gate; swap: a set goes into service; failure: of a follower."
        ),
    ]
    at: Annotated[float, Field(description="The same as the cursor, in seconds.")]
    user_id: Annotated[ShownUserValue | None, Field(alias="userId")] = None
    item_id: Annotated[ShownItemValue | None, Field(alias="movieId")] = None
    title: str | None = None
    rating: float | None = None
    timestamp: Annotated[int | None, Field(description="The event's own, in seconds.")] = None
    predicted: Annotated[
        float | None, Field(description="The rating that was expected before it was known.")
    ] = None
    sd: Annotated[float | None, Field(description="Standard deviation of that.")] = None
    number: Annotated[int | None, Field(description="Of the batch or model set.")] = None
    ratings: Annotated[
        int | None, Field(description="How many came at once, or lie in the batch.")
    ] = None
    rejected: Annotated[int | None, Field(description="Rows of the batch.")] = None
    rmse: Annotated[float | None, Field(description="Of the set, on its holdout.")] = None
    auc: Annotated[float | None, Field(description="The same.")] = None
    message: Annotated[str | None, Field(description="What failed, or what the gate says.")] = None


class EventsAnswer(Answer):
    """What happened, oldest first."""

    items: list[StreamEvent]
    next: Annotated[int, Field(description="`after` of the next query.")]
    missed: Annotated[
        bool, Field(description="Whether something after the cursor is not kept any more.")
    ]
