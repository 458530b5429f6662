"""How far each stage has come in the log: for /v1/status and for /metrics."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from reelstream.contract import LogStatus, PartitionStatus
from reelstream.monitoring.lag import partition_lags
from reelstream.serving.live_updates import StreamReport
from reelstream.serving.predictor import Serving


def log_status(report: StreamReport, serving: Serving | None) -> LogStatus:
    """All partitions together; `serving` is the set in service."""
    return LogStatus(
        end=sum(report.end_offsets.values()),
        batched=sum(report.batched.values()),
        trained=sum(_trained_end_offsets(serving).values()),
        followed=sum(_followed_end_offsets(report).values()),
    )


def partition_statuses(report: StreamReport, serving: Serving | None) -> list[PartitionStatus]:
    """Each partition, rising; `serving` is the set in service."""
    followed = _followed_end_offsets(report)
    lags = partition_lags(
        report.start_offsets, report.end_offsets, report.batched, _trained_end_offsets(serving)
    )
    return [
        PartitionStatus(
            **msgspec.structs.asdict(lag),
            # The log's end is looked up less often than the log is read: the position may be
            # ahead of it.
            unread=max(lag.end - followed.get(lag.partition, lag.first), 0),
        )
        for lag in lags
    ]


def _trained_end_offsets(serving: Serving | None) -> Mapping[int, int]:
    return {} if serving is None else serving.model_set.trained_on.trained_end_offsets


def _followed_end_offsets(report: StreamReport) -> Mapping[int, int]:
    # A partition that the server has not read from the log yet is known up to its batches' end.
    return {**report.batched, **report.positions}
