"""/v1/recommendations/group: which films several users may watch together."""

from __future__ import annotations

import numpy as np

from reelstream.api.paging import Page
from reelstream.api.recommendations import wanted_films
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import GroupAnswer, GroupFilm, GroupQuery, MemberPrediction
from reelstream.contract.base import DIGITS
from reelstream.models.model_set import Predictions
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.post(
    "/v1/recommendations/group", GroupQuery, GroupAnswer, scope=Scope.READ, problems=(503,)
)
def recommendations_for_group(service: Service, query: GroupQuery) -> GroupAnswer:
    """Films that none of several users has rated, by what each may make of them."""
    serving, user_ids = service.predictor.serving(), sorted(set(query.users))
    wanted = wanted_films(query, query.offset, query.genres, query.exclude)
    found = serving.recommend_to_group(user_ids, wanted, query.rule)
    page, n = Page.of(query), len(found.item_ids)
    return GroupAnswer(
        model_set=serving.release.number,
        items=[
            GroupFilm(
                item_id=(item_id := int(found.item_ids[place])),
                title=service.title(item_id),
                score=float(f"{found.scores[place]:.{DIGITS + 2}g}"),
                members=[
                    _member(service, user_id, predicted, place)
                    for user_id, predicted in zip(user_ids, found.predictions, strict=True)
                ],
            )
            for place in range(n)[page.entries]
        ],
        next=page.next(n),
    )


def _member(service: Service, user_id: int, predicted: Predictions, place: int) -> MemberPrediction:
    mean = np.clip(predicted.mean[place], service.scale.lowest, service.scale.highest)
    return MemberPrediction(
        user_id=user_id,
        prediction=round(float(mean), DIGITS),
        sd=round(float(predicted.sd[place]), DIGITS),
        probability=round(float(predicted.like_probability[place]), DIGITS),
    )
