"""Which films to watch next: for a user, for somebody unknown, and films like another."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelstream import contract
from reelstream.api.items import names_of
from reelstream.api.paging import Page
from reelstream.api.problems import refusal
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    AnonymousQuery,
    GroupQuery,
    ProblemType,
    QuestionFilm,
    QuestionsAnswer,
    QuestionsQuery,
    RecommendationsAnswer,
    RecommendationsQuery,
    RecommendedFilm,
    SimilarAnswer,
    SimilarFilm,
    SimilarQuery,
)
from reelstream.contract.base import DIGITS
from reelstream.errors import RatingError
from reelstream.models.choice.mixture import PARTS
from reelstream.models.recommendation import Reason, RecommendationQuery, Recommendations
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import check_id
from reelstream.serving.shown_lists import ShownLists
from reelstream.storage.api_keys import Scope
from reelstream.strategies import MAX_RECOMMENDATIONS

# A probability of choice is one of some thousand films.
CHOICE_DIGITS = 8

resource = Resource()


@resource.get(
    "/v1/users/{userId}/recommendations",
    RecommendationsQuery,
    RecommendationsAnswer,
    scope=Scope.READ,
    problems=(503,),
)
def recommendations(service: Service, query: RecommendationsQuery) -> RecommendationsAnswer:
    """Films that a user has not rated and may like, of all films, best first."""
    serving, lists = service.predictor.serving(), service.predictor.lists
    before = lists.before(query.list_id, query.user_id, query.offset) if query.list_id else None
    # What was listed before is left out instead of counted off: else a rating in between would
    # bring films again, or skip some.
    offset = 0 if before else query.offset
    without = _item_ids(service, "without", query.without)
    excluded = [*_item_ids(service, "exclude", query.exclude), *without, *(before or ())]
    wanted = replace(
        wanted_films(query, offset, names_of(query.genre), excluded),
        include_rated=query.include_rated,
    )
    if without:
        found, basis = serving.recommend_without(query.user_id, without, wanted, query.at)
    else:
        found, basis = serving.recommend_with_basis(query.user_id, wanted, query.at)
    page = slice(offset, offset + query.limit)
    # What would be is no list to choose from, whose hits are counted.
    list_id = None if without else _show(lists, query, found.item_ids[: page.stop], before)
    end = query.offset + query.limit
    return RecommendationsAnswer(
        model_set=serving.release.number,
        basis=contract.Basis(ratings=basis.ratings, live=basis.live, known_user=basis.known_user),
        user_id=query.user_id,
        list_id=list_id,
        items=_films(service, found, page),
        next=end if page.stop < len(found.item_ids) and end < MAX_RECOMMENDATIONS else None,
        ignored=[],
    )


@resource.post(
    "/v1/recommendations", AnonymousQuery, RecommendationsAnswer, scope=Scope.READ, problems=(503,)
)
def recommendations_for_anonymous_user(
    service: Service, query: AnonymousQuery
) -> RecommendationsAnswer:
    """Films for somebody who is not in the stream, by the ratings in the body."""
    for position, each in enumerate(query.ratings):
        if not service.scale.holds(each.rating):
            detail = f"ratings.{position}: {each.rating:g} is not on the scale of the ratings"
            raise refusal(ProblemType.INVALID_QUERY, detail)
    serving, now = service.predictor.serving(), int(time.time())
    known = {each.item_id: each for each in query.ratings if serving.model_set.knows(each.item_id)}
    history = EventColumns.of(
        [0] * len(known),
        list(known),
        [each.rating for each in known.values()],
        [now if each.timestamp is None else each.timestamp for each in known.values()],
        # No partition of a log: else the set would take these ratings for some that it learned.
        partition=[-1] * len(known),
    ).by_user()
    wanted = wanted_films(query, query.offset, query.genres, query.exclude)
    found = serving.recommend_to(history, wanted, now if query.at is None else query.at)
    ignored = sorted({each.item_id for each in query.ratings} - known.keys())
    page = Page.of(query)
    return RecommendationsAnswer(
        model_set=serving.release.number,
        basis=contract.Basis(ratings=len(history), live=len(history), known_user=len(history) > 0),
        user_id=None,
        items=_films(service, found, page.entries),
        next=page.next(len(found.item_ids)),
        ignored=list(ignored),
    )


@resource.get(
    "/v1/users/{userId}/questions",
    QuestionsQuery,
    QuestionsAnswer,
    scope=Scope.READ,
    problems=(503,),
)
def questions(service: Service, query: QuestionsQuery) -> QuestionsAnswer:
    """Films to ask a newcomer about: what their ratings would tell, by the chance of having seen
    them.
    """
    serving = service.predictor.serving()
    found = serving.questions(query.user_id, query.limit)
    return QuestionsAnswer(
        model_set=serving.release.number,
        user_id=query.user_id,
        items=[
            QuestionFilm(item_id=item_id, title=service.title(item_id))
            for item_id in found.tolist()
        ],
    )


@resource.get(
    "/v1/items/{movieId}/similar",
    SimilarQuery,
    SimilarAnswer,
    scope=Scope.READ,
    problems=(404, 503),
)
def similar(service: Service, query: SimilarQuery) -> SimilarAnswer:
    """Films that the same people watch, whatever else is popular."""
    serving = service.predictor.serving()
    page = Page.of(query)
    # One more than the page tells whether there is a next one.
    found = serving.similar(query.item_id, page.end + 1)
    columns = found.item_ids[page.entries].tolist(), found.scores[page.entries].tolist()
    return SimilarAnswer(
        model_set=serving.release.number,
        item_id=query.item_id,
        title=service.title(query.item_id),
        items=[
            SimilarFilm(item_id=item_id, title=service.title(item_id), score=round(score, DIGITS))
            for item_id, score in zip(*columns, strict=True)
        ],
        next=page.next(len(found.item_ids)),
    )


def _show(
    lists: ShownLists,
    query: RecommendationsQuery,
    item_ids: NDArray[np.int64],
    before: Sequence[int] | None,
) -> str:
    """Note what the user is shown; the list's id. item_ids: up to the end of the page."""
    if before:
        return lists.show(query.user_id, item_ids.tolist(), query.list_id, before)
    # What stands before the page was not shown here, but would not come after it either.
    return lists.show(query.user_id, item_ids.tolist())


def _item_ids(service: Service, field: str, listed: str) -> list[int]:
    """The films in a list with commas. Raises ProblemError, naming the field."""
    try:
        item_ids = [service.ids.item.look_up(each) for each in listed.split(",") if each]
        for item_id in item_ids:
            check_id(field, item_id)
    except RatingError as error:
        raise refusal(ProblemType.INVALID_QUERY, f"{field}: {error}") from error
    return item_ids


def wanted_films(
    query: RecommendationsQuery | AnonymousQuery | GroupQuery,
    offset: int,
    genres: Collection[str],
    excluded: Sequence[int],
) -> RecommendationQuery:
    """What the model is asked for a page from `offset` on."""
    return RecommendationQuery(
        # A longer list begins with the shorter one: a page is a part of it. One more than the page
        # tells whether there is a next one.
        n=min(offset + query.limit + 1, MAX_RECOMMENDATIONS),
        strategy=query.strategy,
        genres=genres,
        first_year=query.year_from,
        last_year=query.year_to,
        exclude=excluded,
        variety=query.variety,
        seed=query.seed,
    )


def _films(service: Service, found: Recommendations, page: slice) -> list[RecommendedFilm]:
    predicted = found.predictions[page]
    columns: list[list[Any]] = [
        values.tolist()
        for values in (
            found.item_ids[page],
            found.scores[page],
            found.choice[page],
            found.parts[page],
            np.clip(predicted.mean, service.scale.lowest, service.scale.highest),
            predicted.sd,
            predicted.like_probability,
        )
    ]
    return [
        RecommendedFilm(
            item_id=item_id,
            title=service.title(item_id),
            # A chance of choice and like has few digits before the first that is not 0.
            score=float(f"{score:.{DIGITS + 2}g}"),
            choice=round(choice, CHOICE_DIGITS),
            parts={name: round(part, DIGITS) for name, part in zip(PARTS, parts, strict=True)},
            prediction=round(mean, DIGITS),
            sd=round(sd, DIGITS),
            probability=round(like, DIGITS),
            reasons=[_reason(service, reason) for reason in reasons],
        )
        for item_id, score, choice, parts, mean, sd, like, reasons in zip(
            *columns, found.reasons[page], strict=True
        )
    ]


def _reason(service: Service, reason: Reason) -> contract.Reason:
    return contract.Reason(
        item_id=reason.item_id,
        title=service.title(reason.item_id),
        share=round(reason.share, DIGITS),
    )
