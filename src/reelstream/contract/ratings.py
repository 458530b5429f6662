"""What a client writes, and the receipt that it gets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, ItemId, Query, Time, UserId


class NewRating(Query):
    """A user's rating of a film, in the place of an earlier one; or its deletion."""

    user_id: UserId
    item_id: ItemId
    rating: Annotated[
        float | None,
        Field(description="On the data set's scale; null deletes the rating.", examples=[4.5]),
    ]
    timestamp: Annotated[
        Time | None, Field(description="Seconds since 1970, UTC; now when absent.")
    ] = None


class RatingToDelete(Query):
    """Which rating no longer counts."""

    user_id: UserId
    item_id: ItemId


class WrittenAnswer(Answer):
    """The log has what was sent: it will be in every answer, batch and model set."""

    token: Annotated[
        str,
        Field(
            description="Where the log ends after it. A read with `after=<token>` answers from a "
            "state that has seen it."
        ),
    ]
    events: Annotated[int, Field(ge=1, description="How many ratings and deletions were written.")]
