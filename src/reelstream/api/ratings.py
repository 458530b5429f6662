"""/v1/ratings: what users rate, written into the log."""

from __future__ import annotations

import time
from collections.abc import Sequence

from reelstream.api.guard import trace_headers
from reelstream.api.problems import refusal
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.api.tokens import make_token
from reelstream.contract import (
    ErasedAnswer,
    FieldError,
    NewRating,
    ProblemType,
    RatingToDelete,
    UserToErase,
    WrittenAnswer,
)
from reelstream.errors import RatingError
from reelstream.ratings.events import Deleted, Erased, Event, Rated, check
from reelstream.storage.api_keys import Scope

# How long a write waits for the log to acknowledge it; then it is a 503.
WRITE_SECONDS = 5.0

resource = Resource()


@resource.post_all(
    "/v1/ratings", NewRating, WrittenAnswer, scope=Scope.WRITE, status=202, problems=(409, 503)
)
def rate(service: Service, ratings: Sequence[NewRating]) -> WrittenAnswer:
    """Write ratings and deletions: all of them, or none if one is no rating."""
    now = int(time.time())
    events = [_event(rating, now) for rating in ratings]
    wrong = []
    for position, event in enumerate(events):
        try:
            check(event, now, service.scale)
        except RatingError as error:
            wrong.append((position, str(error)))
    if wrong:
        position, reason = wrong[0]
        errors = [FieldError(where=str(each), message=message) for each, message in wrong[:20]]
        more = f"; and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        detail = f"nothing was written: rating {position}: {reason}{more}"
        raise refusal(ProblemType.INVALID_QUERY, detail, errors)
    return write_events(service, events)


@resource.delete(
    "/v1/users/{userId}/ratings/{movieId}",
    RatingToDelete,
    WrittenAnswer,
    scope=Scope.WRITE,
    status=202,
    problems=(409, 503),
)
def delete(service: Service, query: RatingToDelete) -> WrittenAnswer:
    """Delete a user's rating of a film; one that nobody gave too."""
    last_time = service.predictor.histories.last_time(query.user_id, query.item_id)
    # Of two events the later counts, and a clock may be ahead of ours.
    return write_events(
        service, [Deleted(query.user_id, query.item_id, max(int(time.time()), last_time))]
    )


@resource.delete(
    "/v1/users/{userId}",
    UserToErase,
    ErasedAnswer,
    scope=Scope.ADMIN,
    status=202,
    problems=(409, 503),
)
def erase(service: Service, query: UserToErase) -> ErasedAnswer:
    """Erase a user: all that he or she has rated up to now; one whom nobody knows too."""
    times = service.predictor.histories.of_user(query.user_id).timestamp.tolist()
    erasure = Erased(query.user_id, max(int(time.time()), *times, 0))
    written = write_events(service, [erasure])
    return ErasedAnswer(
        token=written.token,
        events=written.events,
        user_id=query.user_id,
        erased_at=erasure.timestamp,
    )


def write_events(service: Service, events: Sequence[Event]) -> WrittenAnswer:
    """Write events into the log, and answer once it has acknowledged them. Raises BrokerError."""
    for event in events:
        # The log's thread encodes them later, and must find their texts.
        service.ids.user.write(event.user_id)
        if not isinstance(event, Erased):
            service.ids.item.write(event.item_id)
    end_offsets = service.writer.write(events, WRITE_SECONDS, trace_headers())
    service.live_updates.progress.note_write(end_offsets)
    return WrittenAnswer(token=make_token(end_offsets, service.writer.topic_id), events=len(events))


def _event(rating: NewRating, now: int) -> Event:
    timestamp = now if rating.timestamp is None else rating.timestamp
    if rating.rating is None:
        return Deleted(rating.user_id, rating.item_id, timestamp)
    return Rated(rating.user_id, rating.item_id, rating.rating, timestamp)
