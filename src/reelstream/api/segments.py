"""/v1/segments: what each kind of user is."""

from __future__ import annotations

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.service import Service
from reelstream.models.segment.description import Segment

DIGITS = 4


def operations(service: Service) -> list[Operation]:
    """What the API says about segments."""

    def every(_: schemas.NoQuestion) -> schemas.SegmentsAnswer:
        serving = service.predictor.serving()
        segments = sorted(serving.model_set.segment.segments, key=lambda segment: segment.number)
        return schemas.SegmentsAnswer(
            model_set=serving.release.number,
            segments=[_answer(segment, service) for segment in segments],
        )

    return [
        Operation(
            "GET",
            "/v1/segments",
            "The segments of the set in service: what their users have in common.",
            schemas.SegmentsAnswer,
            every,
            problems=(503,),
        )
    ]


def _answer(segment: Segment, service: Service) -> schemas.SegmentAnswer:
    return schemas.SegmentAnswer(
        number=segment.number,
        label=segment.label,
        size=segment.size,
        ratings=segment.ratings,
        mean=round(segment.mean, DIGITS),
        spread=round(segment.spread, DIGITS),
        genres=[
            schemas.GenreLift(
                genre=genre.genre, share=round(genre.share, DIGITS), lift=round(genre.lift, DIGITS)
            )
            for genre in segment.genres
        ],
        films=[
            schemas.ExampleFilm(movieId=item_id, title=service.title(item_id))
            for item_id in segment.item_ids
        ],
    )
