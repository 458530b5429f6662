"""Queries and answers about what a user will make of a film."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, Query, Time
from reelstream.contract.ids import ItemId, ShownItemId, ShownUserId, UserId


class PairQuery(Query):
    """One user and one film."""

    user_id: UserId
    item_id: ItemId
    at: Annotated[
        Time | None,
        Field(
            description="The time to predict for, in seconds since 1970 (UTC). Now when absent, "
            "and never before the user's last rating."
        ),
    ] = None


class RatingQuery(PairQuery):
    """One user and one film, and whether the distribution of the rating is wanted too."""

    distribution: Annotated[
        bool, Field(description="Whether to answer the probability of each rating too.")
    ] = False


class SegmentQuery(Query):
    """One user."""

    user_id: UserId


class Basis(Answer):
    """What an answer rests on."""

    ratings: Annotated[int, Field(ge=0, description="How many of the user's ratings it has seen.")]
    live: Annotated[
        int, Field(ge=0, description="How many of them came after the model set was trained.")
    ]
    known_user: Annotated[bool, Field(description="False: answered from the prior alone.")]


class Regression(Answer):
    """Which rating the user would give."""

    prediction: Annotated[float, Field(description="The expected rating, on the data set's scale.")]
    sd: Annotated[float, Field(ge=0, description="Its standard deviation.")]
    interval: Annotated[
        tuple[float, float],
        Field(description="The central 95 %: prediction ± 1.96 sd, cut off at the scale's ends."),
    ]
    distribution: Annotated[
        dict[str, float] | None,
        Field(
            description="The probability of each rating of the scale; null unless the query asks "
            "for it. They add up to one; their standard deviation is sd, and their mean the "
            "prediction, except that near an end of the scale it lies further inside.",
        ),
    ]


class Classification(Answer):
    """Whether the user would like the film."""

    prediction: Annotated[int, Field(ge=0, le=1, description="1: more likely than not.")]
    probability: Annotated[
        float, Field(ge=0, le=1, description="Of a rating at the threshold or above.")
    ]
    threshold: Annotated[float, Field(description="The lowest rating that counts as liked.")]


class Clustering(Answer):
    """Which segment the user belongs to."""

    prediction: Annotated[
        int, Field(description="The segment's number, which it keeps from set to set.")
    ]
    label: Annotated[str, Field(description="What sets the segment apart.")]
    size: Annotated[int, Field(ge=0, description="How many users it had when the set was trained.")]
    genres: Annotated[
        list[str],
        Field(description="What they rate more than all users do, the most striking first."),
    ]


class _OfModelSet(Answer):
    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    basis: Basis


# A class of its own, because a user's segment concerns no film.
class _OfPair(_OfModelSet):
    user_id: ShownUserId
    item_id: ShownItemId
    title: Annotated[str | None, Field(description="None for a film outside the catalogue.")]


class RegressionAnswer(_OfPair, Regression):
    """Which rating a user would give a film, and how sure that is."""


class ClassificationAnswer(_OfPair, Classification):
    """How likely a user is to like a film."""


class ClusteringAnswer(_OfModelSet, Clustering):
    """Which segment a user belongs to."""

    user_id: ShownUserId


class FullAnswer(_OfPair):
    """Rating, like and segment at once, from one model set."""

    regression: Regression
    classification: Classification
    clustering: Clustering
