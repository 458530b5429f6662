"""`reelstream audit`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.factories import open_log, open_work_folder
from reelstream.cli.notices import print_notice
from reelstream.cli.options import LOG, Json
from reelstream.cli.output import print_json
from reelstream.cli.progress import busy
from reelstream.monitoring.audit import audit as reconcile
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.requeue_folder import RequeueFolder


@with_settings("work", *LOG)
def audit(settings: Settings, as_json: Json = False) -> int:
    """Print totals and problems; exit code 1 when there are any."""
    folder, binding = open_work_folder(settings)
    registry = ModelSetStore.in_folder(folder.models)
    with busy("comparing log and files"), open_log(binding, settings.kafka) as log:
        report = reconcile(
            log,
            binding.topic,
            BatchFolder.in_folder(folder.batches),
            # Those of removed sets too: their record must fit the batches as well.
            registry.all_releases(),
            group=binding.group,
        )
    with busy("checking files of model sets"):
        problems = [*report.problems, *registry.verify()]
    requeued = len(RequeueFolder.in_folder(folder.requeued).places())
    totals = asdict(report.totals) | {"requeued_rows": requeued}
    if as_json:
        print_json({"problems": problems, "totals": totals})
    else:
        for name, total in totals.items():
            typer.echo(f"{name.replace('_', ' ')}: {total:,}")
        if not problems:
            typer.echo("everything adds up")
    for problem in problems:
        print_notice(problem)
    return FAILED if problems else DONE
