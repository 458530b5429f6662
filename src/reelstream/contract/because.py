"""Why a rating is expected."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, Limit
from reelstream.contract.ids import ShownItemId, ShownUserId
from reelstream.contract.predictions import Basis, PairQuery


class BecauseQuery(PairQuery):
    """One user and one film, and how many of the user's ratings to list."""

    limit: Limit = 10


class RatingPart(Answer):
    """One rating of the user, and what it adds to the prediction of another film."""

    item_id: ShownItemId
    title: str | None
    rating: float
    timestamp: Annotated[int, Field(description="Seconds since 1970, UTC.")]
    part: Annotated[float, Field(description="What it adds, in stars.")]
    without: Annotated[
        float, Field(description="By how much the prediction would move if it were deleted.")
    ]


class BecauseAnswer(Answer):
    """Parts that add up to a prediction, in stars."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    basis: Basis
    user_id: ShownUserId
    item_id: ShownItemId
    title: str | None
    prediction: Annotated[float, Field(description="The expected rating.")]
    everyone: Annotated[
        float,
        Field(description="What a user of whom nothing is known makes of such films on average."),
    ]
    features: Annotated[float, Field(description="What genres and year of the film add.")]
    quality: Annotated[float, Field(description="By how much it is rated better than that.")]
    ratings: Annotated[
        list[RatingPart], Field(description="The user's ratings that add most, whatever the sign.")
    ]
    others: Annotated[float, Field(description="What the user's other ratings add together.")]
    beyond_scale: Annotated[
        float, Field(description="What is cut off at the ends of the scale; 0 inside of it.")
    ]
