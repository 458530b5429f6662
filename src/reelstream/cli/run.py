"""`reelstream run`: the whole pipeline on one machine."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.opening import (
    bind_work_folder,
    open_dataset,
    open_log,
    open_settings,
    spark_conf,
)
from reelstream.cli.output import print_json
from reelstream.cli.preflight import check_page, free_port
from reelstream.cli.serving import url
from reelstream.cli.stopping import stop_on_signals

if TYPE_CHECKING:
    from reelstream.settings import Settings


def run(
    data: options.Data = None,
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    partitions: options.Partitions = None,
    kafka: options.Kafka = None,
    engine: options.Engine = None,
    master: options.Master = None,
    conf: options.SparkConf = None,
    until_set: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="End when model set N, or the first after it, is in service."
        ),
    ] = None,
    batch_rows: options.BatchRows = None,
    batch_seconds: options.BatchSeconds = None,
    order: options.SendOrder = None,
    rate: options.Rate = None,
    host: options.Host = None,
    port: options.Port = None,
    ui_port: options.UiPort = None,
    metrics_port: options.MetricsPort = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without the page.")] = False,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Stream ratings, train on them and answer, all on this machine; Ctrl-C ends it, a second run
    goes on.
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
            "train.engine": engine,
            "spark.master": master,
            "spark.conf": spark_conf(conf),
            "batch.rows": batch_rows,
            "batch.seconds": batch_seconds,
            "data.order": order,
            "data.rate": rate,
            "serve.host": host,
            "serve.port": port,
            "ui.host": host,
            "ui.port": ui_port,
            "metrics.port": metrics_port,
        },
    )
    with stop_on_signals() as stop:
        return _run(settings, config, until_set, with_ui=not no_ui, as_json=as_json, stop=stop)


def _run(
    settings: Settings,
    config: Path | None,
    until_set: int | None,
    *,
    with_ui: bool,
    as_json: bool,
    stop: threading.Event,
) -> int:
    api_port = free_port(settings.serve.host, settings.serve.port, "--port")
    urls = {"API": url(settings.serve.host, api_port)}
    ui_port = None
    if with_ui:
        check_page()
        ui_port = free_port(settings.ui.host, settings.ui.port, "--ui-port")
        urls["page"] = url(settings.ui.host, ui_port)
    dataset = open_dataset(settings)
    folder, binding = bind_work_folder(settings, dataset)
    folder.check_writable()
    with open_log(binding, settings.kafka):
        pass  # if nobody answers there, it is better said here than by every stage

    from reelstream.cli.pipeline import follow, make_stages  # noqa: PLC0415
    from reelstream.files import FileLock  # noqa: PLC0415
    from reelstream.settings import environment_of  # noqa: PLC0415

    # Stages find Kafka's settings in their environment: everybody can read a command line.
    os.environ.update(environment_of(settings.kafka))
    with FileLock(folder.run_lock):
        stages = make_stages(
            settings, config, folder, binding, dataset.ratings_file, api_port, ui_port
        )
        exit_code, status = follow(
            stages, folder, binding, settings.kafka, urls, until_set, stop, on_stderr=as_json
        )
    if as_json and status is not None:
        print_json(
            {
                "model_set": status.serving,
                "batches": len(status.manifests),
                "rows": status.batch_rows,
                "urls": urls,
                "exit_code": exit_code,
            }
        )
    return exit_code
