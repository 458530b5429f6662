"""`reelstream status`: where the stream stands at this moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE
from reelstream.cli.opening import open_settings, open_work_folder
from reelstream.cli.output import print_json, print_table
from reelstream.cli.serving import url

if TYPE_CHECKING:
    from reelstream.cli.status_report import BatchReport, ModelSetReport, StatusReport


def status(
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    kafka: options.Kafka = None,
    api: options.Api = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """How far each stage is behind the log, which set serves, and what is remarkable."""
    settings = open_settings(
        config,
        {"work": work, "broker.url": broker, "broker.topic": topic, "kafka": kafka, "ui.api": api},
    )
    folder, binding = open_work_folder(settings)
    address = settings.ui.api or url(settings.serve.host, settings.serve.port)

    from reelstream.cli.pipeline_status import StatusReader  # noqa: PLC0415
    from reelstream.cli.status_report import report_of  # noqa: PLC0415

    with StatusReader(folder, binding, settings.kafka, address, log_may_be_away=True) as reader:
        topic_id, starts = reader.log_begins()
        report = report_of(reader.read(), topic_id, starts, time.time())
    if as_json:
        print_json(report)
    else:
        _print(report, address)
    return DONE


def _print(report: StatusReport, address: str) -> None:
    if report.partitions:
        print_table(
            ["partition", "first offset", "end", "not in a batch", "not in the set"],
            [
                [lag.partition, lag.first, lag.end, lag.unbatched, lag.untrained]
                for lag in report.partitions
            ],
        )
    for line in (*_batches(report.batches), *_sets(report.model_set, address)):
        typer.echo(line)
    for remark in report.remarks:
        typer.echo(f"! {remark}")


def _batches(batches: BatchReport) -> list[str]:
    if batches.closed_at is None:
        return ["batches: none closed yet"]
    trends = batches.trends
    excluded = f", without {', '.join(map(str, batches.excluded))}" if batches.excluded else ""
    drift = "too few ratings to say" if trends.drift is None else f"{trends.drift:.3f}"
    return [
        (
            f"batches: {batches.count:,} with {trends.ratings:,} ratings{excluded}; the newest"
            f" closed {_span(time.time() - batches.closed_at)} ago"
        ),
        (
            f"rejected: {trends.rejected:,} rows, {trends.rejected_share or 0:.2%} of the newest"
            f" batch's; repeats: {trends.repeats:,}"
        ),
        f"throughput: {trends.ratings_a_second:,.0f} ratings a second over the last minute",
        f"drift of the newest batch's ratings: {drift}",
    ]


def _sets(sets: ModelSetReport, address: str) -> list[str]:
    answers = "no answers yet" if sets.serving is None else f"answers from set {sets.serving}"
    answers = f"API at {address}: {answers}"
    if sets.current is None:
        return ["model set: none yet", answers]
    pinned = ", pinned" if sets.pinned is not None else ""
    age = "" if sets.age is None else f", published {_span(sets.age)} ago"
    newest = (
        "" if sets.newest == sets.current else f"; the newest is set {sets.newest}, {sets.verdict}"
    )
    return [f"model set: {sets.current}{pinned}{age}{newest}", answers]


def _span(seconds: float) -> str:
    """Seconds in the largest unit that they fill."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
