"""`reelstream produce`: a data set's ratings into the log."""

from __future__ import annotations

from typing import Annotated

import typer

from reelstream.cli.appending import parts_of
from reelstream.cli.command_settings import with_settings
from reelstream.cli.dataset_factories import open_dataset
from reelstream.cli.exit_codes import DONE, INTERRUPTED
from reelstream.cli.factories import bind_work_folder, open_log
from reelstream.cli.options import DATA, NEW_LOG, SOURCE, AcceptLoss, Json
from reelstream.cli.output import print_json
from reelstream.cli.progress import progress
from reelstream.cli.stage_metrics import metrics_served
from reelstream.cli.stopping import stop_on_signals
from reelstream.datasets import Dataset
from reelstream.ingest.producer import ProduceOptions, ProduceReport
from reelstream.ingest.producer import produce as send
from reelstream.settings import Settings
from reelstream.storage.work_folder import WorkFolder


@with_settings(
    *DATA,
    "work",
    *NEW_LOG,
    *SOURCE,
    "metrics.port",
)
def produce(
    settings: Settings,
    append: Annotated[
        bool,
        typer.Option(
            "--append",
            help="Add ratings that were appended to the file, or that --data names, to the stream.",
        ),
    ] = False,
    accept_loss: AcceptLoss = False,
    bind_only: Annotated[
        bool,
        typer.Option(
            "--bind-only",
            help="Only make the work folder ready for the other stages; send nothing.",
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Bind the work folder to data set and log, and send the ratings."""
    dataset = open_dataset(settings)  # first: without ratings no work folder is made
    folder, binding = bind_work_folder(settings, dataset, appends=append)
    if bind_only:
        return _print_binding(folder, dataset, as_json=as_json)
    options = ProduceOptions(
        checkpoint=folder.checkpoints / "producer.json",
        order=settings.data.order,
        partitions=settings.broker.partitions,
        rate=settings.data.rate,
        accept_loss=accept_loss,
    )
    with (
        stop_on_signals() as stop,
        metrics_served(settings.metrics),
        open_log(binding, settings.kafka) as log,
    ):
        reports, ids = [], binding.ids()
        for part in parts_of(binding.data_set, dataset) if binding.data_set else [dataset]:
            # What the folder is bound to decides what is rejected, whatever the file looks like.
            source = part.with_scale(binding.scale).with_ids(ids)
            with progress(f"sending {part.name}") as on_progress:
                reports.append(
                    send(source, log, binding.topic, options, on_progress=on_progress, stop=stop)
                )
            if stop.is_set():
                break
        _print_report(_total(reports), dataset, as_json=as_json)
        return INTERRUPTED if stop.is_set() else DONE


def _total(reports: list[ProduceReport]) -> ProduceReport:
    return ProduceReport(
        sent=sum(report.sent for report in reports),
        skipped=sum(report.skipped for report in reports),
        unreadable=sum(report.unreadable for report in reports),
        seconds=sum(report.seconds for report in reports),
    )


def _print_report(report: ProduceReport, dataset: Dataset, *, as_json: bool) -> None:
    if as_json:
        print_json(report)
    else:
        typer.echo(
            f"{report.sent:,} rows of {dataset.name} sent, {report.unreadable:,} of them "
            f"unreadable; the log had {report.skipped:,} before"
        )


def _print_binding(folder: WorkFolder, dataset: Dataset, *, as_json: bool) -> int:
    if as_json:
        print_json({"work": str(folder.root), "data": dataset.name})
    else:
        typer.echo(f"{folder.root} is ready for {dataset.name}")
    return DONE
