"""What a client writes, and the receipt that it gets."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from reelstream.contract.base import Answer, Query, Time
from reelstream.contract.ids import ItemId, ShownUserId, UserId
from reelstream.errors import RatingError
from reelstream.ratings.values import read_rating, read_time

# As the OpenAPI document has them.
_NumberAsText = Annotated[str, Field(pattern=r"^[+-]?[0-9]+([.,][0-9]*)?$")]
_IsoTime = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.,]+)? ?\S*$")]


def _rating(value: Any) -> Any:
    """As in a message on the log, a rating may be written as text; the text `null` is none."""
    try:
        return read_rating(value) if isinstance(value, str) else value
    except RatingError as error:
        raise ValueError(str(error)) from error


def _time(value: Any) -> Any:
    """Seconds from milliseconds and ISO 8601 too, as in a message on the log."""
    try:
        # In Python, True is an int.
        is_time = isinstance(value, str | int | float) and not isinstance(value, bool)
        return read_time(value) if is_time else value
    except RatingError as error:
        raise ValueError(str(error)) from error


class NewRating(Query):
    """A user's rating of a film, in the place of an earlier one; or its deletion."""

    user_id: UserId
    item_id: ItemId
    rating: Annotated[
        float | None,
        Field(description="On the data set's scale; null deletes the rating.", examples=[4.5]),
        BeforeValidator(_rating, json_schema_input_type=float | _NumberAsText | None),
    ]
    timestamp: Annotated[
        Time | None,
        Field(
            description="Seconds or milliseconds since 1970, UTC, or an ISO 8601 time; now when "
            "absent."
        ),
        BeforeValidator(_time, json_schema_input_type=float | _NumberAsText | _IsoTime | None),
    ] = None


class RatingToDelete(Query):
    """Which rating no longer counts."""

    user_id: UserId
    item_id: ItemId


class UserToErase(Query):
    """Whose ratings no longer count."""

    user_id: UserId


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


class ErasedAnswer(WrittenAnswer):
    """The log has the erasure: the user's ratings count in no answer that has seen it."""

    user_id: ShownUserId
    erased_at: Annotated[
        int, Field(description="What was rated up to then is erased: seconds since 1970, UTC.")
    ]
