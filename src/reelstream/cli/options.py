"""Options that several commands share; those of settings are derived in `command_settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# Settings of whoever opens the log.
LOG = ("broker.url", "broker.topic", "kafka")
# Settings of whoever may create its topic.
NEW_LOG = (*LOG, "broker.partitions")
# What the ids of a data set are.
IDS = ("data.user_ids", "data.item_ids")
# Which data set, and what it means.
DATA = ("data.folder", "data.columns", "data.scale", *IDS)
# How a producer sends.
SOURCE = ("data.order", "data.rate")
# When a batch is closed.
BATCH = ("batch.rows", "batch.seconds")
# What fits.
ENGINE = ("train.engine", "spark.master", "spark.conf")

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A settings file.  [default: reelstream.toml, if it is here]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
SetNumber = Annotated[int, typer.Argument(metavar="N", help="The model set's number.")]
AcceptLoss = Annotated[
    bool,
    typer.Option(
        "--accept-loss", help="Continue after records that the log has deleted, and note the loss."
    ),
]
