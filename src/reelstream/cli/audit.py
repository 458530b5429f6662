"""`reelstream audit`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.opening import open_log, open_settings, open_work_folder, say
from reelstream.cli.output import print_json


def audit(
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    kafka: options.Kafka = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Reconcile log, batches, rejected rows and model sets; name the first thing that does not add
    up.
    """
    settings = open_settings(
        config, {"work": work, "broker.url": broker, "broker.topic": topic, "kafka": kafka}
    )
    folder, binding = open_work_folder(settings)

    from reelstream.monitoring.audit import audit as reconcile  # noqa: PLC0415
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415
    from reelstream.storage.model_registry import ModelRegistry  # noqa: PLC0415
    from reelstream.storage.requeue_folder import RequeueFolder  # noqa: PLC0415

    registry = ModelRegistry(folder.models)
    with open_log(binding, settings.kafka) as log:
        report = reconcile(
            log,
            binding.topic,
            BatchFolder(folder.batches),
            registry.all_releases(),
            group=binding.group,
        )
    problems = [*report.problems, *registry.verify()]
    totals = asdict(report.totals) | {"requeued_rows": len(RequeueFolder(folder.requeued).places())}
    if as_json:
        print_json({"problems": problems, "totals": totals})
    else:
        for name, total in totals.items():
            typer.echo(f"{name.replace('_', ' ')}: {total:,}")
        if not problems:
            typer.echo("everything adds up")
    for problem in problems:
        say(problem)
    return FAILED if problems else DONE
