"""/v1/items/{movieId}/audience: who rates a film, and how."""

from __future__ import annotations

from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.api.users import counts_of
from reelstream.contract import AudienceAnswer, AudiencePeriod, AudienceQuery, SegmentAudience
from reelstream.contract.base import DIGITS
from reelstream.errors import UnknownItemError
from reelstream.serving.audience import audience_of, periods_of
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.get(
    "/v1/items/{movieId}/audience",
    AudienceQuery,
    AudienceAnswer,
    scope=Scope.READ,
    problems=(404, 503),
)
def audience(service: Service, query: AudienceQuery) -> AudienceAnswer:
    """Who rates a film, by segment, and how."""
    serving = service.predictor.serving()
    if not serving.model_set.knows(query.item_id):
        raise UnknownItemError(query.item_id)
    found = audience_of(serving, query.item_id)
    ratings = found.ratings.rating
    return AudienceAnswer(
        model_set=serving.release.number,
        item_id=query.item_id,
        title=service.title(query.item_id),
        ratings=len(ratings),
        mean=round(float(ratings.mean()), DIGITS) if len(ratings) else None,
        distribution=counts_of(ratings, service.scale),
        periods=[
            AudiencePeriod(
                start=period.start,
                end=period.end,
                ratings=period.ratings,
                mean=round(period.mean, DIGITS),
            )
            for period in periods_of(found.ratings)
        ],
        sampled=found.sampled,
        segments=[
            SegmentAudience(
                number=share.segment.number,
                label=share.segment.label,
                users=share.users,
                mean=round(share.mean, DIGITS),
                liked=round(share.liked, DIGITS),
            )
            for share in found.segments
        ],
    )
