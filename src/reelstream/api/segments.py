"""/v1/segments: what the users of each segment have in common."""

from __future__ import annotations

import numpy as np

from reelstream.api.problems import refusal
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    ExampleFilm,
    GenreLift,
    MapAnswer,
    MappedUser,
    MapQuery,
    NoQuery,
    NumberQuery,
    ProblemType,
    SegmentAnswer,
    SegmentsAnswer,
)
from reelstream.contract.base import DIGITS
from reelstream.models.segment.description import Segment
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.get("/v1/segments", NoQuery, SegmentsAnswer, scope=Scope.READ, problems=(503,))
def segments(service: Service, _: NoQuery) -> SegmentsAnswer:
    """The segments of the set in service: what their users have in common."""
    serving = service.predictor.serving()
    by_number = sorted(serving.model_set.segment.segments, key=lambda segment: segment.number)
    return SegmentsAnswer(
        model_set=serving.release.number,
        segments=[_answer(segment, service) for segment in by_number],
    )


@resource.get("/v1/segments/map", MapQuery, MapAnswer, scope=Scope.READ, problems=(503,))
def users_on_the_map(service: Service, query: MapQuery) -> MapAnswer:
    """Users by what they have in common: a map on which each lies near those who are like them."""
    serving = service.predictor.serving()
    user_ids = service.predictor.histories.user_ids()
    # Evenly over the ids, so that a second look shows the same users.
    chosen = user_ids[
        np.linspace(0, len(user_ids) - 1, min(query.limit, len(user_ids))).astype(int)
    ]
    histories = [serving.histories.of_user(user_id) for user_id in chosen.tolist()]
    segments, points = serving.model_set.map_users(histories)
    columns = (chosen.tolist(), segments.tolist(), histories, points.round(DIGITS).tolist())
    return MapAnswer(
        model_set=serving.release.number,
        users=[
            MappedUser(user_id=user_id, segment=number, ratings=len(history), x=x, y=y)
            for user_id, number, history, (x, y) in zip(*columns, strict=True)
        ],
        total=len(user_ids),
    )


@resource.get(
    "/v1/segments/{number}", NumberQuery, SegmentAnswer, scope=Scope.READ, problems=(404, 503)
)
def segment(service: Service, query: NumberQuery) -> SegmentAnswer:
    """One segment of the set in service."""
    for each in service.predictor.serving().model_set.segment.segments:
        if each.number == query.number:
            return _answer(each, service)
    raise refusal(ProblemType.UNKNOWN_SEGMENT, f"the set in service has no segment {query.number}")


def _answer(segment: Segment, service: Service) -> SegmentAnswer:
    return SegmentAnswer(
        number=segment.number,
        label=segment.label,
        size=segment.size,
        ratings=segment.ratings,
        mean=round(segment.mean, DIGITS),
        spread=round(segment.spread, DIGITS),
        genres=[
            GenreLift(
                genre=each.genre, share=round(each.share, DIGITS), lift=round(each.lift, DIGITS)
            )
            for each in segment.genres
        ],
        films=[
            ExampleFilm(item_id=item_id, title=service.title(item_id))
            for item_id in segment.item_ids
        ],
    )
