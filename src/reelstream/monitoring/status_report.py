"""How far each stage is, which set serves, and what a person should look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from reelstream.monitoring.lag import PartitionLag, partition_lags
from reelstream.monitoring.status import PipelineStatus
from reelstream.monitoring.trends import NOTABLE_DRIFT, NOTABLE_REJECTED_SHARE, Trends


class BatchReport(msgspec.Struct, frozen=True, kw_only=True):
    """The closed batches."""

    count: int
    newest: int | None
    closed_at: int | None
    """When the newest was closed, in seconds since 1970, UTC."""
    excluded: list[int]
    """Numbers of those taken out by hand."""
    trends: Trends


class ModelSetReport(msgspec.Struct, frozen=True, kw_only=True):
    """The model sets."""

    serving: int | None
    """The set that the API answers from; None while it does not answer."""
    current: int | None
    """The set that should serve: the pinned one, else the newest that the gate let through."""
    pinned: int | None
    created_at: int | None
    """When the current set was published, in seconds since 1970, UTC."""
    age: float | None
    """Seconds since then."""
    newest: int | None
    """The set that was published last."""
    verdict: str | None
    """The gate's, on that one."""


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """The stream now."""

    partitions: list[PartitionLag]
    batches: BatchReport
    model_set: ModelSetReport
    remarks: list[str]
    """What a person should look at, a sentence each."""


def report_of(
    status: PipelineStatus, topic_id: str | None, starts: Mapping[int, int], now: float
) -> StatusReport:
    """The report.

    Args:
        status: Where every stage stands.
        topic_id: The topic's identity; None while the log does not answer.
        starts: Partition -> first offset that the log holds.
        now: Seconds since 1970, UTC.
    """
    trends = Trends.of(status.manifests, status.excluded, now)
    current = status.pinned if status.pinned is not None else status.current
    return StatusReport(
        partitions=_lags(status, current, starts),
        batches=_batch_report(status, trends),
        model_set=_model_set_report(status, current, now),
        remarks=[
            *status.damage,
            *_log_remarks(status, topic_id, starts),
            *_batch_remarks(status, trends),
            *_set_remarks(status, current),
        ],
    )


def _lags(
    status: PipelineStatus, current: int | None, starts: Mapping[int, int]
) -> list[PartitionLag]:
    releases = {release.number: release for release in status.releases}
    # An API that does not answer will serve the current set when it does.
    serving = releases.get(status.serving if status.serving is not None else current or 0)
    return partition_lags(
        starts,
        status.end_offsets,
        status.manifests[-1].next_offsets if status.manifests else {},
        serving.trained_end_offsets if serving else {},
    )


def _batch_report(status: PipelineStatus, trends: Trends) -> BatchReport:
    newest = status.manifests[-1] if status.manifests else None
    return BatchReport(
        count=len(status.manifests),
        newest=newest.number if newest else None,
        closed_at=newest.closed_at if newest else None,
        excluded=sorted(status.excluded),
        trends=trends,
    )


def _model_set_report(status: PipelineStatus, current: int | None, now: float) -> ModelSetReport:
    created = {release.number: release.created_at for release in status.releases}
    created_at = None if current is None else created.get(current)
    newest = status.releases[-1] if status.releases else None
    return ModelSetReport(
        serving=status.serving,
        current=current,
        pinned=status.pinned,
        created_at=created_at,
        age=None if created_at is None else now - created_at,
        newest=newest.number if newest else None,
        verdict=newest.gate.verdict if newest else None,
    )


def _log_remarks(
    status: PipelineStatus, topic_id: str | None, starts: Mapping[int, int]
) -> Iterator[str]:
    if topic_id is None:
        yield "the log does not answer, or has no topic yet"
        return
    if not status.manifests:
        return
    newest = status.manifests[-1]
    if newest.topic_id != topic_id:
        yield (
            "the topic is not the one that the batches were made from: it was deleted and made anew"
        )
        return
    for partition, first in starts.items():
        batched = newest.next_offsets.get(partition, 0)
        if first > batched:
            yield (
                f"the log has lost offsets {batched} to {first - 1} of partition {partition}, "
                "which no batch holds"
            )


def _batch_remarks(status: PipelineStatus, trends: Trends) -> Iterator[str]:
    if trends.rejected_share is not None and trends.rejected_share >= NOTABLE_REJECTED_SHARE:
        newest = status.manifests[-1]
        yield (
            f"{trends.rejected_share:.1%} of the rows of batch {newest.number} were rejected: "
            "`reelstream rejected list`"
        )
    if trends.drift is not None and trends.drift >= NOTABLE_DRIFT:
        yield (
            f"the ratings of batch {status.manifests[-1].number} are distributed unlike those "
            f"before: a distance of {trends.drift:.2f}, remarkable from {NOTABLE_DRIFT:g} on"
        )


def _set_remarks(status: PipelineStatus, current: int | None) -> Iterator[str]:
    if status.releases and not status.releases[-1].may_serve:
        newest = status.releases[-1]
        yield f"model set {newest.number} was refused: {newest.gate.reason}"
    if status.serving is not None and status.serving != current:
        yield (
            f"the API answers from model set {status.serving}, not from set {current}: its "
            "/health/ready says why"
        )
