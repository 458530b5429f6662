"""What all queries and answers have in common: their configuration, and types used by many."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from reelstream.ratings.events import MAX_ID

# How many queries one list may hold.
MAX_QUERIES = 10_000
# How many entries one answer may list.
MAX_LIMIT = 200
# The last second of the year 9999, in seconds since 1970.
MAX_TIME = 253_402_300_799


# A whole number as text; more digits are too many for any id.
_WHOLE_TEXT = re.compile(r"([0-9]{1,40})(?:\.0*)?")


def _whole(value: Any) -> Any:
    """In JSON, 1.0 is the integer 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole_id(value: Any) -> Any:
    """JavaScript cannot write numbers above 2^53: an id may be a text of digits."""
    match = _WHOLE_TEXT.fullmatch(value) if isinstance(value, str) else None
    return int(match[1]) if match else _whole(value)


Whole = BeforeValidator(_whole)
# What the OpenAPI document says of an id in a query: 18 digits are always in its range, and more
# are taken as far as they are.
_IdAsText = Annotated[str, Field(pattern=r"^[0-9]{1,18}(\.0*)?$")]
WholeId = BeforeValidator(
    _whole_id, json_schema_input_type=Annotated[int, Field(ge=0, le=MAX_ID)] | _IdAsText
)

UserId = Annotated[
    int,
    Field(alias="userId", ge=0, le=MAX_ID, description="The user's id.", examples=[1]),
    WholeId,
]
ItemId = Annotated[
    int,
    Field(alias="movieId", ge=0, le=MAX_ID, description="The film's id.", examples=[31]),
    WholeId,
]
Time = Annotated[int, Field(ge=0, le=MAX_TIME), Whole]
Limit = Annotated[
    int, Field(ge=1, le=MAX_LIMIT, description="How many entries to answer at most."), Whole
]


Offset = Annotated[
    int, Field(ge=0, le=MAX_ID, description="How many entries to leave out first."), Whole
]


class Query(BaseModel):
    """What a client sends. Fields that the API does not know are refused, so that a misspelt one is
    noticed.
    """

    model_config = ConfigDict(
        extra="forbid",
        # Else pydantic would read true as the number 1, and "1" where no id is meant.
        strict=True,
        frozen=True,
        # For Python code; the API itself takes aliases only.
        validate_by_name=True,
        serialize_by_alias=True,
    )


class NoQuery(Query):
    """A query without fields."""


class NumberQuery(Query):
    """One thing by its number."""

    number: Annotated[int, Field(ge=0, le=MAX_ID, description="Its number.", examples=[1]), Whole]


class Answer(BaseModel):
    """What the API answers. A client ignores fields that it does not know, so that the API can add
    some.
    """

    model_config = ConfigDict(
        frozen=True,
        # The server's own records become answers as they are, where the names agree.
        from_attributes=True,
        validate_by_name=True,
        serialize_by_alias=True,
        # An answer writes its defaults too, so a client may rely on every field.
        json_schema_serialization_defaults_required=True,
    )
