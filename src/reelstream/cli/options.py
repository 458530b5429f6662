"""Options that several commands share; those of settings are derived in `command_settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LOG = ("broker.url", "broker.topic", "kafka")
"""Settings of whoever opens the log."""
NEW_LOG = (*LOG, "broker.partitions")
"""Settings of whoever may create its topic."""
DATA = ("data.folder", "data.columns", "data.scale")
"""Which data set, and what it means."""
SOURCE = ("data.order", "data.rate")
"""How a producer sends."""
BATCH = ("batch.rows", "batch.seconds")
"""When a batch is closed."""
ENGINE = ("train.engine", "spark.master", "spark.conf")
"""What fits."""

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A settings file.  \\[default: reelstream.toml, if it is here]"
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
