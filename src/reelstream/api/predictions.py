"""/predict_regression, /predict_classification, /predict_clustering, and all three at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.problems import ProblemError, problem_of_error
from reelstream.api.schemas import Answer, Problem
from reelstream.api.service import Service
from reelstream.errors import UnknownItemError
from reelstream.models.segment.description import Segment
from reelstream.serving import predictor
from reelstream.serving.predictor import Prediction, Question, Serving

DIGITS = 4
"""Decimals of an answer: far finer than any model is."""
PROBABILITY_DIGITS = 6
"""Decimals of each probability of a distribution, so that they still add up to one."""

_MakeAnswer = Callable[[Serving, schemas.PairQuestion, Prediction], Answer]


def operations(service: Service) -> list[Operation]:
    """What the API says about a user's future ratings."""

    def pair(
        question: schemas.PairQuestion, serving: Serving, prediction: Prediction
    ) -> dict[str, Any]:
        return {
            "userId": question.userId,
            "movieId": question.movieId,
            "title": service.title(question.movieId),
            "model_set": serving.release.number,
            "basis": _basis(prediction.basis),
        }

    ratings = [f"{value:g}" for value in service.scale.values()]

    def regression(
        serving: Serving, question: schemas.PairQuestion, prediction: Prediction
    ) -> Answer:
        # On request only: in a long list it costs more than all the rest of an answer.
        wanted = (
            ratings
            if isinstance(question, schemas.RatingQuestion) and question.distribution
            else None
        )
        return schemas.RegressionAnswer(
            **pair(question, serving, prediction), **_regression(prediction, wanted)
        )

    def classification(
        serving: Serving, question: schemas.PairQuestion, prediction: Prediction
    ) -> Answer:
        return schemas.ClassificationAnswer(
            **pair(question, serving, prediction),
            **_classification(prediction, service.scale.like_threshold),
        )

    def full(serving: Serving, question: schemas.PairQuestion, prediction: Prediction) -> Answer:
        segment, _ = serving.segment(question.userId)
        return schemas.FullAnswer(
            **pair(question, serving, prediction),
            regression=schemas.Regression(**_regression(prediction, ratings)),
            classification=schemas.Classification(
                **_classification(prediction, service.scale.like_threshold)
            ),
            clustering=schemas.Clustering(**_clustering(segment)),
        )

    def answer_pairs(
        make_answer: _MakeAnswer,
    ) -> Callable[[Sequence[schemas.PairQuestion]], list[Answer | Problem]]:
        def answer(questions: Sequence[schemas.PairQuestion]) -> list[Answer | Problem]:
            serving = service.predictor.serving()
            predictions = serving.predict(
                [Question(asked.userId, asked.movieId, asked.at) for asked in questions]
            )
            return [
                problem_of_error(prediction)
                if isinstance(prediction, UnknownItemError)
                else make_answer(serving, asked, prediction)
                for asked, prediction in zip(questions, predictions, strict=True)
            ]

        return answer

    def answer_segments(questions: Sequence[schemas.SegmentQuestion]) -> list[Answer | Problem]:
        serving = service.predictor.serving()
        segments = {
            user_id: serving.segment(user_id)
            for user_id in {question.userId for question in questions}
        }
        return [
            _clustering_answer(serving, question.userId, *segments[question.userId])
            for question in questions
        ]

    def both_methods(
        name: str,
        summary: str,
        question: type[schemas.Question],
        answer: type[Answer],
        answer_all: Callable[[Sequence[Any]], list[Answer | Problem]],
        problems: tuple[int, ...],
    ) -> list[Operation]:
        one, path = _one(answer_all), f"/predict_{name}"
        return [
            Operation("POST", path, summary, answer, one, question, answer_all, problems),
            Operation("GET", path, summary, answer, one, question, problems=problems),
        ]

    pairs, segments = schemas.PairQuestion, schemas.SegmentQuestion
    return [
        *both_methods(
            "regression",
            "Which rating would this user give this film, and how sure is that?",
            schemas.RatingQuestion,
            schemas.RegressionAnswer,
            answer_pairs(regression),
            (404, 503),
        ),
        *both_methods(
            "classification",
            "How likely is this user to like this film?",
            pairs,
            schemas.ClassificationAnswer,
            answer_pairs(classification),
            (404, 503),
        ),
        *both_methods(
            "clustering",
            "Which kind of user is this?",
            segments,
            schemas.ClusteringAnswer,
            answer_segments,
            (503,),
        ),
        Operation(
            "GET",
            "/v1/users/{userId}/items/{movieId}",
            "All three answers at once, from one model set.",
            schemas.FullAnswer,
            _one(answer_pairs(full)),
            pairs,
            problems=(404, 503),
        ),
    ]


def _one(answer_all: Callable[[Sequence[Any]], list[Answer | Problem]]) -> Callable[[Any], Answer]:
    """The same for a single question, whose problem ends the request."""

    def answer(question: Any) -> Answer:
        (given,) = answer_all([question])
        if isinstance(given, Problem):
            raise ProblemError(given)
        return given

    return answer


def _regression(prediction: Prediction, ratings: Sequence[str] | None) -> dict[str, Any]:
    return {
        "prediction": round(prediction.mean, DIGITS),
        "sd": round(prediction.sd, DIGITS),
        "interval": (round(prediction.low, DIGITS), round(prediction.high, DIGITS)),
        "distribution": ratings
        and {
            rating: round(probability, PROBABILITY_DIGITS)
            for rating, probability in zip(ratings, prediction.distribution, strict=True)
        },
    }


def _classification(prediction: Prediction, threshold: float) -> dict[str, Any]:
    probability = round(prediction.like_probability, DIGITS)
    return {
        "prediction": int(probability >= 0.5),
        "probability": probability,
        "threshold": threshold,
    }


def _clustering(segment: Segment) -> dict[str, Any]:
    return {
        "prediction": segment.number,
        "label": segment.label,
        "size": segment.size,
        "genres": [each.genre for each in segment.genres],
    }


def _clustering_answer(
    serving: Serving, user_id: int, segment: Segment, basis: predictor.Basis
) -> Answer:
    return schemas.ClusteringAnswer(
        userId=user_id,
        model_set=serving.release.number,
        basis=_basis(basis),
        **_clustering(segment),
    )


def _basis(basis: predictor.Basis) -> schemas.Basis:
    return schemas.Basis(ratings=basis.ratings, live=basis.live, known_user=basis.known_user)
