"""What all queries and answers have in common: their configuration, and types used by many."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from reelstream.contract.ids import whole
from reelstream.ratings.events import MAX_ID

# How many queries one list may hold.
MAX_QUERIES = 10_000
# How many entries one answer may list.
MAX_LIMIT = 200
# Decimals of an answer: far finer than any model is.
DIGITS = 4
# The last second of the year 9999, in seconds since 1970.
MAX_TIME = 253_402_300_799


Whole = BeforeValidator(whole)

Time = Annotated[int, Field(ge=0, le=MAX_TIME), Whole]
# Both names mean the same: the first lists of the API called it one or the other.
LIMIT_NAMES = AliasChoices("limit", "n")
Limit = Annotated[
    int,
    Field(
        ge=1,
        le=MAX_LIMIT,
        description="How many entries to answer at most; `n` is the same.",
        validation_alias=LIMIT_NAMES,
    ),
    Whole,
]
Offset = Annotated[
    int, Field(ge=0, le=MAX_ID, description="How many entries to leave out first."), Whole
]
NextOffset = Annotated[
    int | None, Field(description="`offset` of the next page; null after the last.")
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
