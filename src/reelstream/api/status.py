"""/v1/status: what the stream is doing now; /health: whether questions can be answered."""

from __future__ import annotations

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.service import Service


def operations(service: Service) -> list[Operation]:
    """What the API says about itself. Nothing here touches the disk or the log."""

    def status(_: schemas.NoQuestion) -> schemas.StatusAnswer:
        serving, report = service.predictor.in_service, service.live_updates.report()
        trained = {} if serving is None else serving.model_set.trained_on.trained_through
        followed = {**report.batched, **report.positions}
        scale = service.scale
        return schemas.StatusAnswer(
            model_set=None
            if serving is None
            else schemas.ServiceStatus(number=serving.release.number, since=serving.since),
            swaps=service.predictor.swaps,
            scale=schemas.ScaleStatus(
                lowest=scale.lowest, highest=scale.highest, step=scale.step, like_threshold=scale.like_threshold
            ),
            log=schemas.LogStatus(
                end=sum(report.end_offsets.values()),
                batched=sum(report.batched.values()),
                trained=sum(trained.values()),
                followed=sum(followed.values()),
            ),
            batches=schemas.BatchStatus(
                count=len(report.batches),
                newest=report.batches[-1] if report.batches else None,
                excluded=list(report.excluded),
            ),
            histories=schemas.HistoryStatus(users=len(service.predictor.histories.user_ids()), live=report.live),
            troubles=[schemas.Trouble(what=what, message=message) for what, message in report.troubles.items()],
        )

    def live(_: schemas.NoQuestion) -> schemas.HealthAnswer:
        return schemas.HealthAnswer(status="live", reasons=[], model_set=service.predictor.number)

    def ready(_: schemas.NoQuestion) -> tuple[schemas.HealthAnswer, int]:
        number = service.predictor.number
        reasons = [f"{what}: {message}" for what, message in service.live_updates.report().troubles.items()]
        if number is None:
            reasons.insert(0, "no model set is in service yet: the first one follows the first closed batch")
            return schemas.HealthAnswer(status="waiting", reasons=reasons, model_set=None), 503
        state = "degraded" if reasons else "ready"
        return schemas.HealthAnswer(status=state, reasons=reasons, model_set=number), 200

    return [
        Operation("GET", "/v1/status", "What the stream is doing now.", schemas.StatusAnswer, status),
        Operation("GET", "/health/live", "Whether the process answers.", schemas.HealthAnswer, live),
        Operation(
            "GET",
            "/health/ready",
            "Whether questions can be answered; 503 until a model set is loaded.",
            schemas.HealthAnswer,
            ready,
            other_answers={503: schemas.HealthAnswer},
        ),
    ]
