"""`reelstream status`: where the stream stands."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

import typer

from reelstream.cli.addresses import url
from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import api_key, open_log, open_work_folder
from reelstream.cli.options import LOG, Json
from reelstream.cli.output import print_json, print_table
from reelstream.errors import BrokerError
from reelstream.monitoring.status import StatusReader
from reelstream.monitoring.status_report import (
    BatchReport,
    ModelSetReport,
    StatusReport,
    report_of,
)
from reelstream.settings import Settings


@with_settings("work", *LOG, "ui.api", "ui.api_key_file")
def status(settings: Settings, as_json: Json = False) -> int:
    """Print the report; exit code 0, whatever it finds."""
    folder, binding = open_work_folder(settings)
    address = settings.ui.api or url(settings.serve.host, settings.serve.port)
    with ExitStack() as stack:
        log = None
        # Without the log, batches and model sets can still be told.
        with suppress(BrokerError):
            log = stack.enter_context(open_log(binding, settings.kafka))
        key = api_key(settings, folder)
        reader = stack.enter_context(StatusReader(folder, log, binding.topic, address, key))
        topic_id, starts = reader.log_start()
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
    drift = "too few ratings" if trends.drift is None else f"{trends.drift:.3f}"
    return [
        f"batches: {batches.count:,} with {trends.ratings:,} ratings{excluded}; the newest closed "
        f"{_span(time.time() - batches.closed_at)} ago",
        f"rejected: {trends.rejected:,} rows, {trends.rejected_share or 0:.2%} of the newest "
        f"batch's; repeats: {trends.repeats:,}",
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
