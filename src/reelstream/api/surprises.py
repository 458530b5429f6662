"""/v1/users/{userId}/surprises: ratings that were not expected."""

from __future__ import annotations

from reelstream.api.paging import Page
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import Surprise, SurprisesAnswer, SurprisesQuery
from reelstream.contract.base import DIGITS
from reelstream.serving.user_overview import surprises_of
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.get(
    "/v1/users/{userId}/surprises",
    SurprisesQuery,
    SurprisesAnswer,
    scope=Scope.READ,
    problems=(503,),
)
def surprises(service: Service, query: SurprisesQuery) -> SurprisesAnswer:
    """A user's ratings that are furthest from what the earlier ones had led to expect."""
    serving = service.predictor.serving()
    page = Page.of(query)
    # One more than the page tells whether there is a next one.
    found = surprises_of(serving, query.user_id, page.end + 1)
    rated = found.ratings
    columns = (rated.item_id, rated.rating, rated.timestamp)
    expected = (found.expected, found.sd, found.surprises)
    shown = [column[page.entries].tolist() for column in (*columns, *expected)]
    return SurprisesAnswer(
        model_set=serving.release.number,
        user_id=query.user_id,
        ratings=[
            Surprise(
                item_id=item_id,
                title=service.title(item_id),
                rating=rating,
                timestamp=timestamp,
                predicted=round(predicted, DIGITS),
                sd=round(sd, DIGITS),
                surprise=round(surprise, DIGITS),
            )
            for item_id, rating, timestamp, predicted, sd, surprise in zip(*shown, strict=True)
        ],
        next=page.next(len(rated)),
    )
