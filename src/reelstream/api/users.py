"""/v1/users: who has rated what."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.service import Service
from reelstream.ratings.events import MAX_ID

MAX_DIGITS = len(str(MAX_ID))


def operations(service: Service) -> list[Operation]:
    """What the API says about users."""
    histories = service.predictor.histories

    def choose(question: schemas.UsersQuestion) -> schemas.UsersAnswer:
        user_ids = histories.user_ids()
        chosen = beginning_with(user_ids, question.query, question.limit)
        summaries = [
            schemas.UserSummary(userId=user_id, ratings=len(histories.of_user(user_id)))
            for user_id in chosen.tolist()
        ]
        return schemas.UsersAnswer(users=summaries, total=len(user_ids))

    def one(question: schemas.UserQuestion) -> schemas.UserAnswer:
        history = histories.of_user(question.userId)
        newest = history[::-1][: question.limit]
        columns = (newest.item_id.tolist(), newest.rating.tolist(), newest.timestamp.tolist())
        return schemas.UserAnswer(
            userId=question.userId,
            known_user=len(history) > 0,
            total=len(history),
            ratings=[
                schemas.RatedFilm(
                    movieId=item_id,
                    title=service.title(item_id),
                    rating=rating,
                    timestamp=timestamp,
                )
                for item_id, rating, timestamp in zip(*columns, strict=True)
            ],
        )

    return [
        Operation(
            "GET",
            "/v1/users",
            "Users who have rated, by the first digits of their id.",
            schemas.UsersAnswer,
            choose,
            schemas.UsersQuestion,
        ),
        Operation(
            "GET",
            "/v1/users/{userId}",
            "A user's ratings up to this moment, newest first. Nobody is unknown: a new user has no"
            " ratings yet.",
            schemas.UserAnswer,
            one,
            schemas.UserQuestion,
        ),
    ]


def beginning_with(user_ids: NDArray[np.int64], digits: str, most: int) -> NDArray[np.int64]:
    """The first `most` of these rising ids whose decimal form begins with `digits`, the shortest
    first.
    """
    if not digits:
        return user_ids[:most]
    begin, found = int(digits), [user_ids[:0]]
    if digits == str(begin):  # no id has leading zeros
        for width in range(MAX_DIGITS - len(digits) + 1 if begin else 1):
            first, last = begin * 10**width, (begin + 1) * 10**width - 1
            if first <= MAX_ID:
                low = np.searchsorted(user_ids, first)
                high = np.searchsorted(user_ids, min(last, MAX_ID), side="right")
                found.append(user_ids[low:high][:most])
    return np.concatenate(found)[:most]
