"""/v1/status: what the stream is doing now; /health: whether questions can be answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

import msgspec

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.service import Service
from reelstream.monitoring.lag import partition_lags
from reelstream.monitoring.trends import Trends
from reelstream.serving.predictor import Serving
from reelstream.storage.batch_files import Manifest
from reelstream.storage.release import Release


def operations(service: Service) -> list[Operation]:
    """What the API says about itself. Nothing here touches the disk or the log."""

    def status(_: schemas.NoQuestion) -> schemas.StatusAnswer:
        serving, report = service.predictor.in_service, service.live_updates.report()
        trained = {} if serving is None else serving.model_set.trained_on.trained_end_offsets
        followed = {**report.batched, **report.positions}
        scale = service.scale
        return schemas.StatusAnswer(
            model_set=None if serving is None else _service(serving),
            newest_set=_newest(report.releases),
            swaps=service.predictor.swaps,
            scale=schemas.ScaleStatus(
                lowest=scale.lowest,
                highest=scale.highest,
                step=scale.step,
                like_threshold=scale.like_threshold,
            ),
            log=schemas.LogStatus(
                end=sum(report.end_offsets.values()),
                batched=sum(report.batched.values()),
                trained=sum(trained.values()),
                followed=sum(followed.values()),
            ),
            partitions=[
                schemas.PartitionStatus(
                    **msgspec.structs.asdict(lag),
                    unread=max(lag.end - followed.get(lag.partition, lag.first), 0),
                )
                for lag in partition_lags(
                    report.start_offsets, report.end_offsets, report.batched, trained
                )
            ],
            batches=_batches(report.batches, report.excluded),
            histories=schemas.HistoryStatus(
                users=len(service.predictor.histories.user_ids()), live=report.live
            ),
            troubles=[
                schemas.Trouble(what=what, message=message)
                for what, message in report.troubles.items()
            ],
        )

    def live(_: schemas.NoQuestion) -> schemas.HealthAnswer:
        return schemas.HealthAnswer(status="live", reasons=[], model_set=service.predictor.number)

    def ready(_: schemas.NoQuestion) -> tuple[schemas.HealthAnswer, int]:
        number = service.predictor.number
        reasons = [
            f"{what}: {message}" for what, message in service.live_updates.report().troubles.items()
        ]
        if number is None:
            reasons.insert(
                0, "no model set is in service yet: the first one follows the first closed batch"
            )
            return schemas.HealthAnswer(status="waiting", reasons=reasons, model_set=None), 503
        state = "degraded" if reasons else "ready"
        return schemas.HealthAnswer(status=state, reasons=reasons, model_set=number), 200

    return [
        Operation(
            "GET", "/v1/status", "What the stream is doing now.", schemas.StatusAnswer, status
        ),
        Operation(
            "GET", "/health/live", "Whether the process answers.", schemas.HealthAnswer, live
        ),
        Operation(
            "GET",
            "/health/ready",
            "Whether questions can be answered; 503 until a model set is loaded.",
            schemas.HealthAnswer,
            ready,
            other_answers={503: schemas.HealthAnswer},
        ),
    ]


def _service(serving: Serving) -> schemas.ServiceStatus:
    created_at = serving.release.created_at
    return schemas.ServiceStatus(
        number=serving.release.number,
        created_at=created_at,
        age=time.time() - created_at,
        since=serving.since,
    )


def _newest(releases: Sequence[Release]) -> schemas.NewestSet | None:
    return (
        schemas.NewestSet(number=releases[-1].number, verdict=releases[-1].gate.verdict)
        if releases
        else None
    )


def _batches(manifests: Sequence[Manifest], excluded: Sequence[int]) -> schemas.BatchStatus:
    newest = manifests[-1] if manifests else None
    return schemas.BatchStatus(
        count=len(manifests),
        newest=newest.number if newest else None,
        closed_at=newest.closed_at if newest else None,
        excluded=list(excluded),
        **asdict(Trends.of(manifests, excluded, time.time())),
    )
