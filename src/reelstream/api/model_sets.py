"""/v1/models: the releases, how good they were, and which one answers."""

from __future__ import annotations

import msgspec

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.service import Service
from reelstream.storage.release import Release


def operations(service: Service) -> list[Operation]:
    """What the API says about model sets."""

    def every(_: schemas.NoQuestion) -> schemas.ModelSetsAnswer:
        in_service = service.predictor.number
        current = service.registry.current()
        releases = sorted(
            service.registry.releases(), key=lambda release: release.number, reverse=True
        )
        return schemas.ModelSetsAnswer(
            in_service=in_service,
            model_sets=[
                _answer(
                    release,
                    current is not None and release.number == current.number,
                    release.number == in_service,
                )
                for release in releases
            ],
        )

    return [
        Operation(
            "GET",
            "/v1/models",
            "The model sets with their scores, newest first.",
            schemas.ModelSetsAnswer,
            every,
        )
    ]


def _answer(release: Release, current: bool, in_service: bool) -> schemas.ModelSetAnswer:
    scores = msgspec.to_builtins(release.holdout)
    return schemas.ModelSetAnswer(
        number=release.number,
        current=current,
        in_service=in_service,
        created_at=release.created_at,
        engine=release.engine,
        batches=[number for number, _ in release.manifests],
        scores={name: score for name, score in scores.items() if score is not None},
        gate=msgspec.to_builtins(release.gate, str_keys=True),
        record=msgspec.to_builtins(release.record, str_keys=True),
    )
