"""/v1/models: the releases, how good they were, and which one is in service."""

from __future__ import annotations

from reelstream.api.problems import refusal
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    BatchScores,
    ChosenSetAnswer,
    GateReport,
    ModelSetAnswer,
    ModelSetsAnswer,
    NoQuery,
    NumberQuery,
    ProblemType,
    Scores,
)
from reelstream.errors import SettingError
from reelstream.storage.api_keys import Scope
from reelstream.storage.release import Release

resource = Resource()


@resource.get("/v1/models", NoQuery, ModelSetsAnswer, scope=Scope.READ)
def model_sets(service: Service, _: NoQuery) -> ModelSetsAnswer:
    """The model sets with their scores, newest first."""
    current, in_service = _numbers(service)
    answers = [_answer(release, current, in_service) for release in service.model_sets.releases()]
    return ModelSetsAnswer(
        in_service=in_service,
        model_sets=sorted(answers, key=lambda answer: answer.number, reverse=True),
    )


@resource.get("/v1/models/{number}", NumberQuery, ModelSetAnswer, scope=Scope.READ, problems=(404,))
def model_set(service: Service, query: NumberQuery) -> ModelSetAnswer:
    """One model set with its scores."""
    for release in service.model_sets.releases():
        if release.number == query.number:
            return _answer(release, *_numbers(service))
    detail = f"there is no model set {query.number} any more, or yet"
    raise refusal(ProblemType.UNKNOWN_MODEL_SET, detail)


@resource.post(
    "/v1/models/{number}/activate",
    NumberQuery,
    ChosenSetAnswer,
    scope=Scope.ADMIN,
    problems=(404,),
)
def activate(service: Service, query: NumberQuery) -> ChosenSetAnswer:
    """Serve this set until further notice, whatever is trained."""
    try:
        service.model_sets.activate(query.number)
    except SettingError as error:
        raise refusal(ProblemType.UNKNOWN_MODEL_SET, str(error)) from error
    return _chosen(service)


@resource.post("/v1/models/latest/activate", NoQuery, ChosenSetAnswer, scope=Scope.ADMIN)
def activate_latest(service: Service, _: NoQuery) -> ChosenSetAnswer:
    """Serve the newest set that may serve, now and later."""
    service.model_sets.activate(None)
    return _chosen(service)


def _chosen(service: Service) -> ChosenSetAnswer:
    current, in_service = _numbers(service)
    return ChosenSetAnswer(
        current=current, pinned=service.model_sets.pinned(), in_service=in_service
    )


def _numbers(service: Service) -> tuple[int | None, int | None]:
    """The current set and the one in service."""
    # They may differ: a set is current when it is published, and in service once the server has
    # loaded it.
    current = service.model_sets.current()
    return None if current is None else current.number, service.predictor.number


def _answer(release: Release, current: int | None, in_service: int | None) -> ModelSetAnswer:
    return ModelSetAnswer(
        number=release.number,
        current=release.number == current,
        in_service=release.number == in_service,
        created_at=release.created_at,
        engine=release.engine,
        batches=[number for number, _ in release.manifests],
        scores=Scores.model_validate(release.holdout),
        gate=GateReport.model_validate(release.gate),
        record=[BatchScores.model_validate(scores) for scores in release.record],
    )
