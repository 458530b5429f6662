"""`reelstream batch`: out of the log into batch files."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, INTERRUPTED
from reelstream.cli.factories import bind_work_folder, open_log
from reelstream.cli.options import BATCH, IDS, NEW_LOG, AcceptLoss, Json
from reelstream.cli.output import print_json
from reelstream.cli.progress import busy
from reelstream.cli.stage_metrics import metrics_served
from reelstream.cli.stopping import stop_on_signals
from reelstream.ingest.batch_writer import BatchPolicy, BatchWriter
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder, Manifest


@with_settings(
    "work",
    *NEW_LOG,
    *IDS,
    *BATCH,
    "metrics.port",
)
def batch(
    settings: Settings,
    once: Annotated[
        bool,
        typer.Option("--once", help="Read what the log holds now, close the batch, and end."),
    ] = False,
    accept_loss: AcceptLoss = False,
    as_json: Json = False,
) -> int:
    """Write batches until stopped, or with `once` up to the log's end."""
    folder, binding = bind_work_folder(settings, None)
    batches = BatchFolder.in_folder(folder.batches)
    before = len(batches.manifests())
    policy = BatchPolicy(
        rows=settings.batch.rows, seconds=settings.batch.seconds, accept_loss=accept_loss
    )
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
            policy,
            group=binding.group,
            ids=binding.ids(),
        )
        with busy("writing batches") if once else nullcontext():
            writer.run(once=once, stop=stop)
        was_stopped = stop.is_set()
    _print(batches.manifests()[before:], as_json=as_json)
    return INTERRUPTED if once and was_stopped else DONE


def _print(closed: list[Manifest], *, as_json: bool) -> None:
    rows = sum(manifest.rows for manifest in closed)
    if as_json:
        print_json({"batches": [manifest.number for manifest in closed], "rows": rows})
    else:
        typer.echo(f"{len(closed)} batches closed with {rows:,} ratings")
