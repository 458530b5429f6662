"""/v1/events: what happens on the stream, as it happens."""

from __future__ import annotations

from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import EventsAnswer, EventsQuery, StreamEvent
from reelstream.contract.base import DIGITS
from reelstream.serving.activity import Happening
from reelstream.storage.api_keys import Scope

resource = Resource()


# It takes no token of a write: its `after` is a cursor.
@resource.get("/v1/events", EventsQuery, EventsAnswer, scope=Scope.READ, waits=False)
def events(service: Service, query: EventsQuery) -> EventsAnswer:
    """What happened on the stream lately, oldest first, as this server saw it."""
    found = service.predictor.activity.after(query.after, query.limit)
    return EventsAnswer(
        items=[_answer(service, happening) for happening in found.items],
        next=found.next,
        missed=found.missed,
    )


def _answer(service: Service, happening: Happening) -> StreamEvent:
    item_id, expected, sd = happening.item_id, happening.predicted, happening.sd
    return StreamEvent(
        cursor=happening.cursor,
        kind=happening.kind,
        at=happening.cursor / 1e6,
        user_id=happening.user_id,
        item_id=item_id,
        title=None if item_id is None else service.title(item_id),
        rating=happening.rating,
        timestamp=happening.timestamp,
        predicted=None if expected is None else round(expected, DIGITS),
        sd=None if sd is None else round(sd, DIGITS),
        number=happening.number,
        ratings=happening.ratings,
        rejected=happening.rejected,
        rmse=happening.rmse,
        auc=happening.auc,
        message=happening.message,
    )
