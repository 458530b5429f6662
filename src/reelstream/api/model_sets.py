"""/v1/models: the releases, how good they were, and which one is in service."""

from __future__ import annotations

from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    BatchScores,
    GateReport,
    ModelSetAnswer,
    ModelSetsAnswer,
    NoQuery,
    Scores,
)
from reelstream.storage.release import Release

resource = Resource()


@resource.get("/v1/models", NoQuery, ModelSetsAnswer)
def model_sets(service: Service, _: NoQuery) -> ModelSetsAnswer:
    """The model sets with their scores, newest first."""
    # May differ from the current set: a set is current when it is published, and in service once
    # the server has loaded it.
    in_service = service.predictor.number
    current = service.registry.current()
    releases = sorted(service.registry.releases(), key=lambda release: release.number, reverse=True)
    return ModelSetsAnswer(
        in_service=in_service,
        model_sets=[
            _answer(
                release,
                current=current is not None and release.number == current.number,
                in_service=release.number == in_service,
            )
            for release in releases
        ],
    )


def _answer(release: Release, *, current: bool, in_service: bool) -> ModelSetAnswer:
    return ModelSetAnswer(
        number=release.number,
        current=current,
        in_service=in_service,
        created_at=release.created_at,
        engine=release.engine,
        batches=[number for number, _ in release.manifests],
        scores=Scores.model_validate(release.holdout),
        gate=GateReport.model_validate(release.gate),
        record=[BatchScores.model_validate(scores) for scores in release.record],
    )
