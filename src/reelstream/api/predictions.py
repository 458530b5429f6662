"""/predict_regression, /predict_classification, /predict_clustering, and all three at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, TypeVar

from reelstream import contract
from reelstream.api.problems import problem_of_error
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    ClassificationAnswer,
    ClusteringAnswer,
    FullAnswer,
    PairQuery,
    Problem,
    RatingQuery,
    RegressionAnswer,
    SegmentQuery,
)
from reelstream.contract.base import DIGITS
from reelstream.errors import UnknownItemError
from reelstream.models.segment.description import Segment
from reelstream.ratings.scale import RatingScale
from reelstream.serving.predictor import Basis, Prediction, PredictionQuery, Serving
from reelstream.storage.api_keys import Scope

# Decimals of each probability of a distribution, so that they still add up to one.
PROBABILITY_DIGITS = 6

Q = TypeVar("Q", bound=PairQuery)
A = TypeVar("A")

resource = Resource()


@resource.get_and_post(
    "/predict_regression", RatingQuery, RegressionAnswer, scope=Scope.READ, problems=(404, 503)
)
def regression(
    service: Service, queries: Sequence[RatingQuery]
) -> list[RegressionAnswer | Problem]:
    """The rating that a user would give a film, and how sure that is."""

    def answer(serving: Serving, query: RatingQuery, prediction: Prediction) -> RegressionAnswer:
        # On request only: in a long list it costs more than all the rest of an answer.
        scale = service.scale if query.distribution else None
        return RegressionAnswer(
            **_of_pair(service, serving, query, prediction), **_regression(prediction, scale)
        )

    return _predict(service, queries, answer)


@resource.get_and_post(
    "/predict_classification",
    PairQuery,
    ClassificationAnswer,
    scope=Scope.READ,
    problems=(404, 503),
)
def classification(
    service: Service, queries: Sequence[PairQuery]
) -> list[ClassificationAnswer | Problem]:
    """How likely a user is to like a film."""

    def answer(serving: Serving, query: PairQuery, prediction: Prediction) -> ClassificationAnswer:
        return ClassificationAnswer(
            **_of_pair(service, serving, query, prediction),
            **_classification(prediction, service.scale),
        )

    return _predict(service, queries, answer)


@resource.get_and_post(
    "/predict_clustering", SegmentQuery, ClusteringAnswer, scope=Scope.READ, problems=(503,)
)
def clustering(
    service: Service, queries: Sequence[SegmentQuery]
) -> list[ClusteringAnswer | Problem]:
    """Which segment a user belongs to."""
    serving = service.predictor.serving()
    # Each user once: a list often repeats one, and a segment depends on nothing else in a query.
    segments = {
        user_id: serving.segment(user_id) for user_id in {query.user_id for query in queries}
    }
    return [
        ClusteringAnswer(
            user_id=query.user_id,
            model_set=serving.release.number,
            basis=_basis(segments[query.user_id][1]),
            **_clustering(segments[query.user_id][0]),
        )
        for query in queries
    ]


@resource.get(
    "/v1/users/{userId}/items/{movieId}",
    PairQuery,
    FullAnswer,
    scope=Scope.READ,
    problems=(404, 503),
)
def full(service: Service, query: PairQuery) -> FullAnswer:
    """All three answers at once, from one model set."""
    serving = service.predictor.serving()
    (prediction,) = serving.predict([_prediction_query(query)])
    if isinstance(prediction, UnknownItemError):
        raise prediction
    return _full(service, serving, query, prediction)


@resource.post_each("/v1/predictions", PairQuery, FullAnswer, scope=Scope.READ, problems=(404, 503))
def predictions(service: Service, queries: Sequence[PairQuery]) -> list[FullAnswer | Problem]:
    """All three answers for each pair of a list, all from one model set."""
    return _predict(service, queries, partial(_full, service))


def _full(
    service: Service, serving: Serving, query: PairQuery, prediction: Prediction
) -> FullAnswer:
    # Its own basis counts a rating more if one came in between: the answer gives the prediction's.
    segment, _ = serving.segment(query.user_id)
    return FullAnswer(
        **_of_pair(service, serving, query, prediction),
        regression=contract.Regression(**_regression(prediction, service.scale)),
        classification=contract.Classification(**_classification(prediction, service.scale)),
        clustering=clustering_of(segment),
    )


def _predict(
    service: Service,
    queries: Sequence[Q],
    answer: Callable[[Serving, Q, Prediction], A],
) -> list[A | Problem]:
    """The answer to each query, or its problem, all from one model set."""
    serving = service.predictor.serving()
    predictions = serving.predict([_prediction_query(query) for query in queries])
    return [
        problem_of_error(prediction, service.ids)
        if isinstance(prediction, UnknownItemError)
        else answer(serving, query, prediction)
        for query, prediction in zip(queries, predictions, strict=True)
    ]


def _prediction_query(query: PairQuery) -> PredictionQuery:
    return PredictionQuery(query.user_id, query.item_id, query.at)


def _of_pair(
    service: Service, serving: Serving, query: PairQuery, prediction: Prediction
) -> dict[str, Any]:
    return {
        "user_id": query.user_id,
        "item_id": query.item_id,
        "title": service.title(query.item_id),
        "model_set": serving.release.number,
        "basis": _basis(prediction.basis),
    }


# The pairs of a list are often one user's.
@lru_cache(1_000)
def _basis(basis: Basis) -> contract.Basis:
    return contract.Basis(ratings=basis.ratings, live=basis.live, known_user=basis.known_user)


def _regression(prediction: Prediction, scale: RatingScale | None) -> dict[str, Any]:
    """The fields of a Regression; without a scale it has no distribution."""
    return {
        "prediction": round(prediction.mean, DIGITS),
        "sd": round(prediction.sd, DIGITS),
        "interval": (round(prediction.low, DIGITS), round(prediction.high, DIGITS)),
        "distribution": scale
        and {
            f"{rating:g}": round(probability, PROBABILITY_DIGITS)
            for rating, probability in zip(scale.values(), prediction.distribution, strict=True)
        },
    }


def _classification(prediction: Prediction, scale: RatingScale) -> dict[str, Any]:
    # Rounded before it is compared, so that the answer does not contradict itself at 0.5.
    probability = round(prediction.like_probability, DIGITS)
    return {
        "prediction": int(probability >= 0.5),
        "probability": probability,
        "threshold": scale.like_threshold,
    }


def clustering_of(segment: Segment) -> contract.Clustering:
    """A user's segment, as answers describe it."""
    return contract.Clustering(**_clustering(segment))


def _clustering(segment: Segment) -> dict[str, Any]:
    return {
        "prediction": segment.number,
        "label": segment.label,
        "size": segment.size,
        "genres": [each.genre for each in segment.genres],
    }
