"""`reelstream audit`."""

from __future__ import annotations

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.opening import open_log, open_settings, open_work_folder, say
from reelstream.cli.output import print_json


def audit(
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Reconcile log, batches, rejected rows and model sets; name the first thing that does not add up."""
    settings = open_settings(config, {"work": work, "broker.url": broker, "broker.topic": topic})
    folder, binding = open_work_folder(settings)

    from reelstream.storage.audit import audit as reconcile  # noqa: PLC0415

    with open_log(binding) as log:
        report = reconcile(folder, log, binding.topic)
    if as_json:
        print_json(report)
    else:
        for name, total in report.totals.items():
            typer.echo(f"{name.replace('_', ' ')}: {total:,}")
        if not report.problems:
            typer.echo("everything adds up")
    for problem in report.problems:
        say(problem)
    return FAILED if report.problems else DONE
