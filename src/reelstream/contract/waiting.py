"""What a read may say besides its query: that it has to wait for a write, and of which set."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Query, Whole
from reelstream.ratings.events import MAX_ID

# `partition:end offset`, several with commas between them, and the beginning of the topic's
# identity.
TOKEN_PATTERN = r"^\d{1,6}:\d{1,18}(,\d{1,6}:\d{1,18})*(@[\w-]{1,40})?$"
DEFAULT_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 10.0


class Wait(Query):
    """Fields of the URL that every read takes, whatever its method is."""

    after: Annotated[
        str | None,
        Field(
            pattern=TOKEN_PATTERN,
            description="A token: answer from a state that has seen what it was given for.",
        ),
    ] = None
    timeout: Annotated[
        float,
        Field(
            ge=0,
            le=MAX_WAIT_SECONDS,
            description="How many seconds to wait for it at most; then 504.",
        ),
    ] = DEFAULT_WAIT_SECONDS


class WaitAndSet(Wait):
    """Fields of the URL that every read takes which is answered from a model set."""

    model_set: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_ID,
            description="Answer as of the model set of this number, while it is kept; of the "
            "one in service when absent.",
        ),
        Whole,
    ] = None
