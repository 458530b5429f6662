"""Films in which a user is not interested."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, Limit, NextOffset, Offset, Query
from reelstream.contract.ids import ItemId, ShownItemId, ShownUserId, UserId


class Dismissal(Query):
    """Who is not interested in which film."""

    user_id: UserId
    item_id: ItemId


class DismissedQuery(Query):
    """What one user has dismissed."""

    user_id: UserId
    limit: Limit = 50
    offset: Offset = 0


class DismissedFilm(Answer):
    """A film that is recommended to its user no more."""

    item_id: ShownItemId
    title: str | None
    timestamp: Annotated[int, Field(description="When, in seconds since 1970, UTC.")]


class DismissedAnswer(Answer):
    """What a user has dismissed, and neither rated nor taken back since; the newest first."""

    user_id: ShownUserId
    total: Annotated[int, Field(ge=0, description="How many films.")]
    items: list[DismissedFilm]
    next: NextOffset = None
