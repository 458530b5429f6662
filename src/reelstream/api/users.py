"""/v1/users: who has rated what."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reelstream.api.paging import Page
from reelstream.api.predictions import clustering_of
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    Activity,
    GenreLeaning,
    Leaning,
    RatedFilm,
    UserAnswer,
    UserQuery,
    UserRatingsAnswer,
    UsersAnswer,
    UsersQuery,
    UserSummary,
)
from reelstream.contract.base import DIGITS
from reelstream.models import taste
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import MAX_ID
from reelstream.ratings.ids import NumberIds, TextIds
from reelstream.ratings.scale import RatingScale
from reelstream.serving.user_overview import overview_of
from reelstream.storage.api_keys import Scope

MAX_DIGITS = len(str(MAX_ID))

resource = Resource()


@resource.get("/v1/users", UsersQuery, UsersAnswer, scope=Scope.READ)
def users(service: Service, query: UsersQuery) -> UsersAnswer:
    """Users who have rated, by the first digits of their id."""
    histories = service.predictor.histories
    user_ids = histories.user_ids()
    page = Page.of(query)
    # One more than the page tells whether there is a next one.
    found = _beginning_with(service.ids.user, user_ids, query.query, page.end + 1)
    return UsersAnswer(
        users=[
            UserSummary(user_id=user_id, ratings=len(histories.of_user(user_id)))
            for user_id in found[page.entries].tolist()
        ],
        next=page.next(len(found)),
        total=len(user_ids),
    )


@resource.get("/v1/users/{userId}", UserQuery, UserAnswer, scope=Scope.READ)
def user(service: Service, query: UserQuery) -> UserAnswer:
    """A user: ratings up to now, newest first, activity, segment and taste; of a user whom nobody
    knows, no ratings.
    """
    history = service.predictor.histories.of_user(query.user_id)
    serving = service.predictor.in_service
    answer = UserAnswer(
        **_ratings(service, query, history), activity=_activity(history, service.scale)
    )
    if serving is None:
        return answer
    found = overview_of(serving, query.user_id)
    return answer.model_copy(
        update={
            "model_set": serving.release.number,
            "segment": clustering_of(found.segment),
            "generosity": Leaning(**_leaning(found.generosity)),
            "taste": [
                GenreLeaning(genre=genre, **_leaning(leaning))
                for genre, leaning in found.taste.items()
            ],
        }
    )


@resource.get("/v1/users/{userId}/ratings", UserQuery, UserRatingsAnswer, scope=Scope.READ)
def ratings(service: Service, query: UserQuery) -> UserRatingsAnswer:
    """A user's ratings up to now, newest first; of a user whom nobody knows, none."""
    history = service.predictor.histories.of_user(query.user_id)
    return UserRatingsAnswer(**_ratings(service, query, history))


def counts_of(ratings: NDArray[np.float32], scale: RatingScale) -> dict[str, int]:
    """How often each rating of the scale occurs."""
    values = scale.values()
    nearest = np.rint((ratings - scale.lowest) / scale.step).astype(np.int64)
    counts = np.bincount(nearest, minlength=len(values))
    return {f"{value:g}": int(n) for value, n in zip(values, counts, strict=True)}


def _ratings(service: Service, query: UserQuery, history: EventColumns) -> dict[str, Any]:
    """The fields of a UserRatingsAnswer."""
    page = Page.of(query)
    newest = history[::-1][page.entries]
    columns = (newest.item_id.tolist(), newest.rating.tolist(), newest.timestamp.tolist())
    return {
        "user_id": query.user_id,
        "known_user": len(history) > 0,
        "total": len(history),
        "ratings": [
            RatedFilm(
                item_id=item_id, title=service.title(item_id), rating=rating, timestamp=timestamp
            )
            for item_id, rating, timestamp in zip(*columns, strict=True)
        ],
        "next": page.next(len(history)),
    }


def _activity(history: EventColumns, scale: RatingScale) -> Activity | None:
    if not len(history):
        return None
    return Activity(
        first=int(history.timestamp[0]),
        last=int(history.timestamp[-1]),
        mean=round(float(history.rating.mean()), DIGITS),
        distribution=counts_of(history.rating, scale),
    )


def _leaning(leaning: taste.Leaning) -> dict[str, float]:
    return {"stars": round(leaning.stars, DIGITS), "sd": round(leaning.sd, DIGITS)}


def _beginning_with(
    ids: NumberIds | TextIds, user_ids: NDArray[np.int64], text: str, limit: int
) -> NDArray[np.int64]:
    if isinstance(ids, TextIds):
        return ids.beginning_with(text, user_ids, limit)
    if not re.fullmatch(f"[0-9]{{0,{MAX_DIGITS}}}", text):
        return user_ids[:0]
    return beginning_with(user_ids, text, limit)


def beginning_with(user_ids: NDArray[np.int64], digits: str, limit: int) -> NDArray[np.int64]:
    """At most `limit` of these ascending ids (n,) whose decimal form begins with `digits`, the
    shortest first.
    """
    if not digits:
        return user_ids[:limit]
    # The ids with `digits` and a given number of digits more form one range: two binary searches
    # find it, however many users there are. The empty part gives `concatenate` something to join.
    begin, found = int(digits), [user_ids[:0]]
    if digits == str(begin):  # no id has leading zeros
        # No id but 0 itself begins with 0.
        for width in range(MAX_DIGITS - len(digits) + 1 if begin else 1):
            first, last = begin * 10**width, (begin + 1) * 10**width - 1
            if first <= MAX_ID:
                low = np.searchsorted(user_ids, first)
                # The last id of the range may be more than int64 holds.
                high = np.searchsorted(user_ids, min(last, MAX_ID), side="right")
                found.append(user_ids[low:high][:limit])
    return np.concatenate(found)[:limit]
