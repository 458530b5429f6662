"""`reelstream train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.models import print_release
from reelstream.cli.opening import open_engine, open_settings, open_work_folder, spark_conf
from reelstream.cli.output import print_json
from reelstream.cli.stage_metrics import metrics_served
from reelstream.cli.stopping import stop_on_signals

if TYPE_CHECKING:
    from reelstream.settings import Settings
    from reelstream.training.trainer import Trainer


def train(
    work: options.Work = None,
    engine: options.Engine = None,
    master: options.Master = None,
    conf: options.SparkConf = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with every new batch, until Ctrl-C.")
    ] = False,
    keep: Annotated[
        int | None, typer.Option(min=1, help="How many of the newest sets stay.  \\[default: 5]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same seed gives the same sets.  \\[default: 0]")
    ] = None,
    metrics_port: options.MetricsPort = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Train a model set for every batch that has none; exit code 1 says that the gate refused the
    last of them.
    """
    settings = open_settings(
        config,
        {
            "work": work,
            "train.engine": engine,
            "train.keep": keep,
            "train.seed": seed,
            "metrics.port": metrics_port,
            "spark.master": master,
            "spark.conf": spark_conf(conf),
        },
    )
    trainer = open_trainer(settings)
    with metrics_served(settings.metrics):
        if follow:
            with stop_on_signals() as stop:
                trainer.follow(stop)
            return DONE
        releases = trainer.run_once()
    if as_json:
        print_json({"releases": releases})
    elif not releases:
        typer.echo("no batch is new: nothing to train")
    else:
        for release in releases:
            print_release(release)
    return FAILED if releases and not releases[-1].may_serve else DONE


def open_trainer(settings: Settings) -> Trainer:
    """The trainer of a work folder. Raises SettingError."""
    from reelstream.engines.interface import FitParameters  # noqa: PLC0415
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415
    from reelstream.storage.model_registry import ModelRegistry  # noqa: PLC0415
    from reelstream.storage.snapshot_store import SnapshotStore  # noqa: PLC0415
    from reelstream.training.trainer import Trainer  # noqa: PLC0415

    folder, binding = open_work_folder(settings)
    return Trainer(
        BatchFolder(folder.batches),
        SnapshotStore(folder.history),
        ModelRegistry(folder.models),
        open_engine(settings),
        folder.read_catalog(),
        binding.scale,
        FitParameters(seed=settings.train.seed, one_task_ratings=settings.spark.one_task_ratings),
        keep=settings.train.keep,
    )
