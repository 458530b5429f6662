"""`reelstream produce` and `reelstream batch`: into the log, and out of it into batch files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE, INTERRUPTED
from reelstream.cli.opening import bind_work_folder, open_dataset, open_log, open_settings
from reelstream.cli.output import print_json
from reelstream.cli.stage_metrics import metrics_served
from reelstream.cli.stopping import stop_on_signals

if TYPE_CHECKING:
    from rich.progress import Progress

    from reelstream.datasets import Dataset
    from reelstream.storage.work_folder import WorkFolder


def produce(
    data: options.Data = None,
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    partitions: options.Partitions = None,
    kafka: options.Kafka = None,
    order: options.SendOrder = None,
    rate: options.Rate = None,
    metrics_port: options.MetricsPort = None,
    accept_loss: options.AcceptLoss = False,
    bind_only: Annotated[
        bool,
        typer.Option(
            "--bind-only",
            help="Only make the work folder ready for the other stages; send nothing.",
        ),
    ] = False,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Send a data set's ratings into the log; what the log has of them already is not sent
    again.
    """
    settings = open_settings(
        config,
        {
            "data.folder": data,
            "work": work,
            "broker.url": broker,
            "broker.topic": topic,
            "broker.partitions": partitions,
            "kafka": kafka,
            "data.order": order,
            "data.rate": rate,
            "metrics.port": metrics_port,
        },
    )
    dataset = open_dataset(settings)
    folder, binding = bind_work_folder(settings, dataset)
    if bind_only:
        return _say_binding(folder, dataset, as_json=as_json)

    from reelstream.ingest.producer import ProduceOptions  # noqa: PLC0415
    from reelstream.ingest.producer import produce as send  # noqa: PLC0415

    with (
        stop_on_signals() as stop,
        metrics_served(settings.metrics),
        open_log(binding, settings.kafka) as log,
        _progress_bar() as bar,
    ):
        task = bar.add_task(f"sending {dataset.name}", total=None)
        report = send(
            dataset.with_scale(binding.scale),
            log,
            binding.topic,
            ProduceOptions(
                checkpoint=folder.checkpoints / "producer.json",
                order=settings.data.order,
                partitions=settings.broker.partitions,
                rate=settings.data.rate,
                accept_loss=accept_loss,
            ),
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            stop=stop,
        )
        if as_json:
            print_json(report)
        else:
            typer.echo(
                f"{report.sent:,} rows of {dataset.name} sent, {report.unreadable:,} of them"
                f" unreadable; the log had {report.skipped:,} before"
            )
        return INTERRUPTED if stop.is_set() else DONE


def batch(
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    partitions: options.Partitions = None,
    kafka: options.Kafka = None,
    batch_rows: options.BatchRows = None,
    batch_seconds: options.BatchSeconds = None,
    metrics_port: options.MetricsPort = None,
    once: Annotated[
        bool, typer.Option("--once", help="Read what the log holds now, close the batch, and end.")
    ] = False,
    accept_loss: options.AcceptLoss = False,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Write the log's ratings into batch files, each of them exactly once; Ctrl-C ends it."""
    settings = open_settings(
        config,
        {
            "work": work,
            "broker.url": broker,
            "broker.topic": topic,
            "broker.partitions": partitions,
            "kafka": kafka,
            "batch.rows": batch_rows,
            "batch.seconds": batch_seconds,
            "metrics.port": metrics_port,
        },
    )
    folder, binding = bind_work_folder(settings, None)

    from reelstream.ingest.batch_writer import BatchPolicy, BatchWriter  # noqa: PLC0415
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415

    batches = BatchFolder(folder.batches)
    before = len(batches.manifests())
    with (
        stop_on_signals() as stop,
        metrics_served(settings.metrics),
        open_log(binding, settings.kafka) as log,
    ):
        log.ensure_topic(binding.topic, settings.broker.partitions)
        writer = BatchWriter(
            log,
            binding.topic,
            batches,
            binding.scale,
            BatchPolicy(
                rows=settings.batch.rows,
                seconds=settings.batch.seconds,
                accept_loss=accept_loss,
            ),
            group=binding.group,
        )
        writer.run(once=once, stop=stop)
        was_stopped = stop.is_set()
    closed = batches.manifests()[before:]
    if as_json:
        print_json(
            {
                "batches": [manifest.number for manifest in closed],
                "rows": sum(each.rows for each in closed),
            }
        )
    else:
        typer.echo(
            f"{len(closed)} batches closed with {sum(each.rows for each in closed):,} ratings"
        )
    return INTERRUPTED if once and was_stopped else DONE


def _say_binding(folder: WorkFolder, dataset: Dataset, *, as_json: bool) -> int:
    if as_json:
        print_json({"work": str(folder.root), "data": dataset.name})
    else:
        typer.echo(f"{folder.root} is ready for {dataset.name}")
    return DONE


def _progress_bar() -> Progress:
    """A bar on stderr; nothing is drawn where no person looks."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
