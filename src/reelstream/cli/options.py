"""Options that several commands share, each defined once. None means that the person did not
say.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class EngineName(StrEnum):
    """The engines that can fit."""

    LOCAL = "local"
    SPARK = "spark"


class Order(StrEnum):
    """In which order a producer sends."""

    TIME = "time"
    FILE = "file"


Work = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="The work folder: everything of one stream.  \\[default: work]"
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A settings file.  \\[default: reelstream.toml, if it is here]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="A data set's folder.  \\[default: MovieLens small, downloaded once]"
    ),
]
Broker = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help=(
            "The log: sqlite:PATH or kafka://HOST:PORT.  \\[default: sqlite:log.db in the work"
            " folder]"
        ),
    ),
]
Partitions = Annotated[
    int | None, typer.Option(min=1, help="How many partitions a new topic gets.  \\[default: 3]")
]
AcceptLoss = Annotated[
    bool,
    typer.Option(
        "--accept-loss", help="Go on behind records that the log has deleted, and note the loss."
    ),
]
Kafka = Annotated[
    list[str] | None,
    typer.Option(
        "--kafka", metavar="NAME=VALUE", help="A setting of Kafka's client; may be repeated."
    ),
]
Topic = Annotated[
    str | None, typer.Option(metavar="NAME", help="The log's topic.  \\[default: ratings]")
]
Engine = Annotated[
    EngineName | None, typer.Option(help="What fits the models.  \\[default: local]")
]
Master = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The Spark cluster, as spark-submit has it.  \\[default: Spark's own settings]",
    ),
]
SparkConf = Annotated[
    list[str] | None,
    typer.Option(
        "--conf", metavar="KEY=VALUE", help="A setting of Spark; may be given repeatedly."
    ),
]
BatchRows = Annotated[
    int | None,
    typer.Option(min=1, help="Close a batch when it has so many ratings ...  \\[default: 35000]"),
]
BatchSeconds = Annotated[
    float | None,
    typer.Option(help="... or when its first rating has waited so long.  \\[default: 5]"),
]
Rate = Annotated[
    float | None, typer.Option(help="Send at most so many ratings a second.  \\[default: no limit]")
]
SendOrder = Annotated[
    Order | None,
    typer.Option("--order", help="As it happened, or as it lies in the file.  \\[default: time]"),
]
Host = Annotated[
    str | None,
    typer.Option(
        help="The address to listen on; 0.0.0.0 opens it to others.  \\[default: 127.0.0.1]"
    ),
]
Port = Annotated[
    int | None, typer.Option(min=0, max=65_535, help="The API's port.  \\[default: 5000]")
]
UiPort = Annotated[
    int | None, typer.Option(min=0, max=65_535, help="The page's port.  \\[default: 8501]")
]
Api = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The API to ask.  \\[default: the one on this machine]"),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65_535, help="Serve metrics for Prometheus here.  \\[default: nowhere]"
    ),
]
