"""`reelstream train`."""

from __future__ import annotations

from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.notices import print_notice
from reelstream.cli.options import ENGINE, Json
from reelstream.cli.output import print_json
from reelstream.cli.progress import busy
from reelstream.cli.release_text import print_release
from reelstream.cli.stage_metrics import metrics_served
from reelstream.cli.stopping import stop_on_signals
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.rejected import rejection_notice
from reelstream.storage.work_folder import WorkFolder


@with_settings(
    "work",
    *ENGINE,
    "train.keep",
    "train.seed",
    "metrics.port",
)
def train(
    settings: Settings,
    follow: Annotated[
        bool, typer.Option("--follow", help="Continue with every new batch, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Train once, or follow the batches."""
    # Numba and scikit-learn take more than a second, which help and a wrong flag need not wait for.
    from reelstream.cli.training_factories import open_trainer  # noqa: PLC0415

    trainer = open_trainer(settings)
    with metrics_served(settings.metrics):
        if follow:
            # Only here: a single run is interrupted by Ctrl-C at once.
            with stop_on_signals() as stop:
                trainer.follow(stop)
            return DONE
        with busy("training"):
            releases = trainer.run_once()
    batches = BatchFolder.in_folder(WorkFolder(settings.work).batches)
    if notice := rejection_notice(batches, batches.manifests()):
        print_notice(notice)
    if as_json:
        print_json({"releases": releases})
    elif not releases:
        typer.echo("no batch is new: nothing to train")
    else:
        for release in releases:
            print_release(release)
    return FAILED if releases and not releases[-1].may_serve else DONE
