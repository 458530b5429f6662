"""What is answered when a query fails."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer


class FieldError(Answer):
    """One thing wrong with a query."""

    where: Annotated[
        str,
        Field(description="The field; in a list, after the query's position: `3.userId`."),
    ]
    message: str


class Problem(Answer):
    """What went wrong, in the form of RFC 9457."""

    type: Annotated[
        str,
        Field(
            description="Which kind of problem: a URI relative to the server, such as "
            "`/docs/problems#unknown-film`, where it is explained. Of what HTTP itself says, "
            "`about:blank`."
        ),
    ] = "about:blank"
    title: Annotated[str, Field(description="The HTTP status in words.")]
    status: Annotated[int, Field(ge=400, le=599, description="The HTTP status.")]
    detail: Annotated[str, Field(description="What was wrong, where, and what to do.")]
    errors: list[FieldError] = Field(
        default_factory=list, description="Each wrong field of the query."
    )


class FailedEntry(Answer):
    """Takes the place of an answer in a list when its query failed."""

    error: Problem
