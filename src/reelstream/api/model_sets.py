"""/v1/models: the releases, how good they were, and which one is in service."""

from __future__ import annotations

from reelstream.api.problems import ProblemError, make_problem
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    BatchScores,
    GateReport,
    ModelSetAnswer,
    ModelSetsAnswer,
    NoQuery,
    NumberQuery,
    Scores,
)
from reelstream.storage.api_keys import Scope
from reelstream.storage.release import Release

resource = Resource()


@resource.get("/v1/models", NoQuery, ModelSetsAnswer, scope=Scope.READ)
def model_sets(service: Service, _: NoQuery) -> ModelSetsAnswer:
    """The model sets with their scores, newest first."""
    current, in_service = _numbers(service)
    answers = [_answer(release, current, in_service) for release in service.registry.releases()]
    return ModelSetsAnswer(
        in_service=in_service,
        model_sets=sorted(answers, key=lambda answer: answer.number, reverse=True),
    )


@resource.get("/v1/models/{number}", NumberQuery, ModelSetAnswer, scope=Scope.READ, problems=(404,))
def model_set(service: Service, query: NumberQuery) -> ModelSetAnswer:
    """One model set with its scores."""
    for release in service.registry.releases():
        if release.number == query.number:
            return _answer(release, *_numbers(service))
    raise ProblemError(make_problem(404, f"there is no model set {query.number} any more, or yet"))


def _numbers(service: Service) -> tuple[int | None, int | None]:
    """The current set and the one in service."""
    # They may differ: a set is current when it is published, and in service once the server has
    # loaded it.
    current = service.registry.current()
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
