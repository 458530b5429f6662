"""/v1/users/{userId}/items/{movieId}/because: what makes up a prediction."""

from __future__ import annotations

import numpy as np

from reelstream import contract
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import BecauseAnswer, BecauseQuery, RatingPart
from reelstream.contract.base import DIGITS
from reelstream.serving.predictor import PredictionQuery
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.get(
    "/v1/users/{userId}/items/{movieId}/because",
    BecauseQuery,
    BecauseAnswer,
    scope=Scope.READ,
    problems=(404, 503),
)
def because(service: Service, query: BecauseQuery) -> BecauseAnswer:
    """Why a rating is expected: what the film and each of the user's ratings add to it."""
    serving = service.predictor.serving()
    found, history, basis = serving.explain(PredictionQuery(query.user_id, query.item_id, query.at))
    listed = np.argsort(-np.abs(found.ratings), kind="stable")[: query.limit]
    rated = history[listed]
    columns = (rated.item_id, rated.rating, rated.timestamp, found.ratings[listed])
    ratings = [
        RatingPart(
            item_id=item_id,
            title=service.title(item_id),
            rating=rating,
            timestamp=timestamp,
            part=round(part, DIGITS),
            without=round(without, DIGITS),
        )
        for item_id, rating, timestamp, part, without in zip(
            *(column.tolist() for column in (*columns, found.without[listed])), strict=True
        )
    ]
    prediction = min(max(found.mean, service.scale.lowest), service.scale.highest)
    return BecauseAnswer(
        model_set=serving.release.number,
        basis=contract.Basis(ratings=basis.ratings, live=basis.live, known_user=basis.known_user),
        user_id=query.user_id,
        item_id=query.item_id,
        title=service.title(query.item_id),
        prediction=round(prediction, DIGITS),
        everyone=round(found.everyone, DIGITS),
        features=round(found.features, DIGITS),
        quality=round(found.quality, DIGITS),
        ratings=ratings,
        others=round(float(found.ratings.sum() - found.ratings[listed].sum()), DIGITS),
        beyond_scale=round(prediction - found.mean, DIGITS),
    )
