"""/v1/status: what the stream is doing now; /health: whether queries can be answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from reelstream.api.progress import log_status, partition_statuses
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    BatchStatus,
    Failure,
    HealthAnswer,
    HistoryStatus,
    ListStatus,
    NewestSet,
    NoQuery,
    ScaleStatus,
    ServiceStatus,
    StatusAnswer,
)
from reelstream.monitoring.trends import Trends
from reelstream.serving.predictor import Serving
from reelstream.storage.api_keys import Scope
from reelstream.storage.batch_files import Manifest
from reelstream.storage.release import Release

resource = Resource()


@resource.get("/v1/status", NoQuery, StatusAnswer, scope=Scope.READ)
def status(service: Service, _: NoQuery) -> StatusAnswer:
    """What the stream is doing now."""
    # Nothing here touches the disk or the log: the page requests it every two seconds.
    serving, report = service.predictor.in_service, service.live_updates.report()
    scale = service.scale
    return StatusAnswer(
        model_set=None if serving is None else _in_service(serving),
        newest_set=_newest(report.releases),
        swaps=service.predictor.swaps,
        scale=ScaleStatus(
            lowest=scale.lowest,
            highest=scale.highest,
            step=scale.step,
            like_threshold=scale.like_threshold,
        ),
        log=log_status(report, serving),
        partitions=partition_statuses(report, serving),
        batches=_batches(report.batches, report.excluded),
        histories=HistoryStatus(
            users=len(service.predictor.histories.user_ids()), live=report.live
        ),
        lists=ListStatus.model_validate(service.predictor.lists.counts),
        **_stream(service),
        failures=[Failure(what=what, message=message) for what, message in report.failures.items()],
    )


@resource.get("/health/live", NoQuery, HealthAnswer, scope=Scope.READ, waits=False)
def live(service: Service, _: NoQuery) -> HealthAnswer:
    """Whether the process answers."""
    return HealthAnswer(status="live", reasons=[], model_set=service.predictor.number)


@resource.get(
    "/health/ready",
    NoQuery,
    HealthAnswer,
    scope=Scope.READ,
    other_answers={503: HealthAnswer},
    waits=False,
)
def ready(service: Service, _: NoQuery) -> tuple[HealthAnswer, int]:
    """Whether queries can be answered; 503 until a model set is loaded."""
    # Read once: the answer would contradict itself if a set came into service in between.
    number = service.predictor.number
    report = service.live_updates.report()
    rejected = sum(manifest.rejected_rows for manifest in report.batches)
    reasons = [f"{what}: {message}" for what, message in report.failures.items()]
    # A server that has a set answers, whatever fails: it is degraded, not unready.
    if number is None:
        waiting = "no model set is in service yet: the first one follows the first closed batch"
        if rejected:
            rows = rejected + sum(manifest.rows for manifest in report.batches)
            reasons.append(
                f"{rejected:,} of {rows:,} rows were rejected: `reelstream rejected list` says why"
            )
        return HealthAnswer(
            status="waiting",
            reasons=[waiting, *reasons],
            model_set=None,
            rejected=rejected,
            **_stream(service),
        ), 503
    return HealthAnswer(
        status="degraded" if reasons else "ready",
        reasons=reasons,
        model_set=number,
        rejected=rejected,
        **_stream(service),
    ), 200


def _stream(service: Service) -> dict[str, Any]:
    age = service.live_updates.stale_seconds
    return {} if age is None else {"stream": "stale", "stream_age": round(age, 3)}


def _in_service(serving: Serving) -> ServiceStatus:
    created_at = serving.release.created_at
    return ServiceStatus(
        number=serving.release.number,
        created_at=created_at,
        age=time.time() - created_at,
        since=serving.since,
    )


def _newest(releases: Sequence[Release]) -> NewestSet | None:
    if not releases:
        return None
    return NewestSet(number=releases[-1].number, verdict=releases[-1].gate.verdict)


def _batches(manifests: Sequence[Manifest], excluded: Sequence[int]) -> BatchStatus:
    newest = manifests[-1] if manifests else None
    return BatchStatus(
        count=len(manifests),
        newest=newest.number if newest else None,
        closed_at=newest.closed_at if newest else None,
        excluded=list(excluded),
        **asdict(Trends.of(manifests, excluded, time.time())),
    )
