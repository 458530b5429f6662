"""The stream in /metrics: how far each stage has come, what was rejected, how good the sets are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reelstream.api.progress import partition_statuses
from reelstream.api.service import Service
from reelstream.contract import PartitionStatus
from reelstream.evaluation.reports import Scores
from reelstream.monitoring.trends import Trends
from reelstream.serving.live_updates import StreamReport
from reelstream.storage.release import Release

# Of what was predicted, on the scale and for likes: fields of `Scores`.
_SCORES = ("rmse", "auc", "log_loss")


class StreamMetrics(Collector):
    """Read at each scrape, from what the server follows anyway: this touches neither the disk nor
    the log.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """The present values."""
        report = self._service.live_updates.report()
        yield from _log(partition_statuses(report, self._service.predictor.in_service))
        yield from _batches(report)
        yield from _sets(report.releases)
        followed = GaugeMetricFamily(
            "reelstream_follower_failing", "1 while following it fails, else 0.", labels=["what"]
        )
        # What does not fail has a 0: an alert needs a series that is always there.
        for what in report.errors:
            followed.add_metric([what], what in report.failures)
        yield followed


def _log(partitions: Sequence[PartitionStatus]) -> Iterator[Metric]:
    ends = GaugeMetricFamily(
        "reelstream_log_end_offset",
        "End offset of the partition: one past its last record.",
        labels=["partition"],
    )
    starts = GaugeMetricFamily(
        "reelstream_log_start_offset", "First offset still held.", labels=["partition"]
    )
    lags = GaugeMetricFamily(
        "reelstream_lag_offsets",
        "Offsets that a stage has not taken yet.",
        labels=["partition", "stage"],
    )
    for status in partitions:
        partition = str(status.partition)
        ends.add_metric([partition], status.end)
        starts.add_metric([partition], status.first)
        lags.add_metric([partition, "batch"], status.unbatched)
        lags.add_metric([partition, "train"], status.untrained)
        lags.add_metric([partition, "serve"], status.unread)
    yield from (ends, starts, lags)


def _batches(report: StreamReport) -> Iterator[Metric]:
    now = time.time()
    trends = Trends.of(report.batches, report.excluded, now)
    age = now - report.batches[-1].closed_at if report.batches else None
    yield CounterMetricFamily("reelstream_batches", "Batches closed.", len(report.batches))
    yield GaugeMetricFamily(
        "reelstream_batch_age_seconds", "Since the newest batch was closed.", age
    )
    yield GaugeMetricFamily(
        "reelstream_excluded_batches", "Batches taken out by hand.", len(report.excluded)
    )
    yield CounterMetricFamily(
        "reelstream_batched_ratings", "Ratings in closed batches.", trends.ratings
    )
    yield CounterMetricFamily(
        "reelstream_rejected_rows", "Rows of the log that were rejected.", trends.rejected
    )
    yield CounterMetricFamily(
        "reelstream_repeated_rows", "Rows skipped because they came twice.", trends.repeats
    )
    yield GaugeMetricFamily(
        "reelstream_rejected_share", "Of the newest batch's rows.", trends.rejected_share
    )
    yield GaugeMetricFamily(
        "reelstream_rating_drift",
        "Jensen-Shannon distance of the newest batch to those before it.",
        trends.drift,
    )


def _sets(releases: Sequence[Release]) -> Iterator[Metric]:
    newest = releases[-1] if releases else None
    verdicts = CounterMetricFamily(
        "reelstream_model_sets", "Sets published, by the gate's verdict.", labels=["gate"]
    )
    for verdict, count in Counter(release.gate.verdict for release in releases).items():
        verdicts.add_metric([verdict], count)
    yield verdicts
    number, refused = (newest.number, not newest.may_serve) if newest else (None, None)
    yield GaugeMetricFamily(
        "reelstream_newest_set_number", "Number of the set published last.", number
    )
    yield GaugeMetricFamily(
        "reelstream_newest_set_refused", "1 when the gate refused that set.", refused
    )
    for score in _SCORES:
        yield from _scores(newest, score)


def _scores(newest: Release | None, score: str) -> Iterator[Metric]:
    """One score of the newest set, and of the newest trained batch."""
    yield GaugeMetricFamily(
        f"reelstream_holdout_{score}",
        "Of that set, on ratings that no set has learned.",
        None if newest is None else getattr(newest.holdout, score),
    )
    of_batch = GaugeMetricFamily(
        f"reelstream_batch_{score}",
        "Of the newest trained batch, predicted before it was learned.",
        labels=["predictor"],
    )
    # Only the newest batch: a label for each batch would add series without end.
    for line in newest.record[-1:] if newest else ():
        for predictor in ("live", "live_users", "static", "biases", "global_mean"):
            scores: Scores | None = getattr(line, predictor)
            value = None if scores is None else getattr(scores, score)
            if value is not None:
                of_batch.add_metric([predictor], value)
    yield of_batch
