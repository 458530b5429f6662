"""/v1/users/{userId}/dismissed: films in which a user is not interested."""

from __future__ import annotations

import time

from reelstream.api.paging import Page
from reelstream.api.problems import refusal
from reelstream.api.ratings import write_events
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    Dismissal,
    DismissedAnswer,
    DismissedFilm,
    DismissedQuery,
    ProblemType,
    WrittenAnswer,
)
from reelstream.ratings.events import Deleted, Dismissed
from reelstream.storage.api_keys import Scope

_PATH = "/v1/users/{userId}/dismissed/{movieId}"

resource = Resource()


@resource.put(_PATH, Dismissal, WrittenAnswer, scope=Scope.WRITE, status=202, problems=(409, 503))
def dismiss(service: Service, query: Dismissal) -> WrittenAnswer:
    """Recommend a film to a user no more, until he or she rates it: "not interested"."""
    _refuse_rated(service, query, "it is in no list: delete the rating to dismiss the film")
    return write_events(
        service, [Dismissed(query.user_id, query.item_id, _time_after_all(service, query))]
    )


@resource.delete(
    _PATH, Dismissal, WrittenAnswer, scope=Scope.WRITE, status=202, problems=(409, 503)
)
def take_back(service: Service, query: Dismissal) -> WrittenAnswer:
    """Recommend the film again; one that was not dismissed too."""
    # What was written just now may not be known here yet: so the deletion is written in any case,
    # except where it would delete a rating.
    _refuse_rated(service, query, "which ended the dismissal")
    return write_events(
        service, [Deleted(query.user_id, query.item_id, _time_after_all(service, query))]
    )


@resource.get("/v1/users/{userId}/dismissed", DismissedQuery, DismissedAnswer, scope=Scope.READ)
def dismissed(service: Service, query: DismissedQuery) -> DismissedAnswer:
    """Films that are recommended to a user no more, the newest dismissal first."""
    found = service.predictor.histories.dismissed_by(query.user_id)
    page = Page.of(query)
    newest = found[::-1][page.entries]
    columns = newest.item_id.tolist(), newest.timestamp.tolist()
    return DismissedAnswer(
        user_id=query.user_id,
        total=len(found),
        items=[
            DismissedFilm(item_id=item_id, title=service.title(item_id), timestamp=timestamp)
            for item_id, timestamp in zip(*columns, strict=True)
        ],
        next=page.next(len(found)),
    )


def _refuse_rated(service: Service, query: Dismissal, why: str) -> None:
    """Raises ProblemError, 409, where the user has rated the film."""
    if query.item_id in service.predictor.histories.of_user(query.user_id).item_id:
        item = service.ids.item.show(query.item_id)
        raise refusal(ProblemType.FILM_IS_RATED, f"the user has rated film {item}, {why}")


def _time_after_all(service: Service, query: Dismissal) -> int:
    """Now, or later: of two events the later counts, and a clock may be ahead of ours."""
    return max(
        int(time.time()), service.predictor.histories.last_time(query.user_id, query.item_id)
    )
