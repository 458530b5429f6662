"""`reelstream run`: the whole pipeline on one machine."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE, FAILED, INTERRUPTED
from reelstream.cli.opening import bind_work_folder, open_dataset, open_settings
from reelstream.cli.output import print_json
from reelstream.cli.preflight import check_page, free_port
from reelstream.cli.serving import url
from reelstream.cli.stage import Stage
from reelstream.cli.stopping import stop_on_signals
from reelstream.cli.supervisor import Supervisor

if TYPE_CHECKING:
    from reelstream.cli.pipeline_status import PipelineStatus
    from reelstream.settings import Settings
    from reelstream.storage.work_folder import Binding, WorkFolder

STATUS_SECONDS = 0.25
"""How often the stages and the status are looked at."""


def run(
    data: options.Data = None,
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    engine: options.Engine = None,
    until_set: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="End when model set N, or the first after it, is in service."),
    ] = None,
    batch_rows: options.BatchRows = None,
    batch_seconds: options.BatchSeconds = None,
    order: options.SendOrder = None,
    rate: options.Rate = None,
    host: options.Host = None,
    port: options.Port = None,
    ui_port: options.UiPort = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without the page.")] = False,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Stream ratings, train on them and answer, all on this machine; Ctrl-C ends it, a second run goes on."""
    settings = open_settings(
        config,
        {
            "data.folder": data,
            "work": work,
            "broker.url": broker,
            "broker.topic": topic,
            "train.engine": engine,
            "batch.rows": batch_rows,
            "batch.seconds": batch_seconds,
            "data.order": order,
            "data.rate": rate,
            "serve.host": host,
            "serve.port": port,
            "ui.host": host,
            "ui.port": ui_port,
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

    from reelstream.files import FileLock  # noqa: PLC0415

    with FileLock(folder.run_lock):
        stages = _stages(settings, config, folder, binding, dataset.folder, api_port, ui_port)
        outcome, status = _follow(stages, folder, binding, urls, until_set, stop)
    if as_json and status is not None:
        in_service = {"model_set": status.serving, "batches": len(status.manifests), "rows": status.batch_rows}
        print_json({**in_service, "exit_code": outcome, "urls": urls})
    return outcome


def _stages(
    settings: Settings,
    config: Path | None,
    folder: WorkFolder,
    binding: Binding,
    data: Path,
    api_port: int,
    ui_port: int | None,
) -> list[Stage]:
    """Every stage with all that it must be told; what is left out it finds where the run found it."""
    folder.stage_logs.mkdir(exist_ok=True)
    shared = ["--work", str(folder.root), *(["--config", str(config)] if config else [])]
    log = ["--broker", binding.broker, "--topic", binding.topic]
    rate = ["--rate", str(settings.data.rate)] if settings.data.rate else []
    commands = {
        "produce": ["--data", str(data), "--order", settings.data.order, *rate, *log],
        "batch": ["--batch-rows", str(settings.batch.rows), "--batch-seconds", str(settings.batch.seconds), *log],
        "train": ["--engine", settings.train.engine, "--follow"],
        "serve": ["--host", settings.serve.host, "--port", str(api_port)],
    }
    if ui_port is not None:
        api = settings.ui.api or url(settings.serve.host, api_port)
        commands["ui"] = ["--api", api, "--host", settings.ui.host, "--port", str(ui_port)]
    stages = []
    for name, arguments in commands.items():
        path = folder.stage_logs / f"{name}.log"
        path.write_bytes(b"")
        command = [sys.executable, "-m", "reelstream", name, *shared, *arguments]
        stages.append(Stage(name, command, path, ends=name == "produce"))
    return stages


def _follow(
    stages: list[Stage],
    folder: WorkFolder,
    binding: Binding,
    urls: dict[str, str],
    until_set: int | None,
    stop: threading.Event,
) -> tuple[int, PipelineStatus | None]:
    """Keep the stages alive until the set wanted serves, cannot serve any more, or somebody asks to stop."""
    said: list[str] = []
    with Supervisor(stages, said.append) as supervisor:
        supervisor.check()  # starts them all: what the status needs is imported while they start

        from reelstream.cli.pipeline_status import StatusReader  # noqa: PLC0415
        from reelstream.cli.status_view import StatusView  # noqa: PLC0415

        status = None
        with StatusReader(folder, binding, urls["API"]) as reader, StatusView(stages, urls) as view:
            while not stop.is_set():
                supervisor.check()
                while said:
                    view.say(said.pop(0))
                status = reader.read()
                view.show(status)
                if until_set is not None:
                    outcome, why = _outcome(status, until_set, supervisor.is_done("produce"))
                    if outcome is not None:
                        view.say(why)
                        return outcome, status
                stop.wait(STATUS_SECONDS)
    return (DONE if until_set is None else INTERRUPTED), status


def _outcome(status: PipelineStatus, until_set: int, is_produced: bool) -> tuple[int | None, str]:
    """Whether the run may end, and how; None goes on."""
    if status.serving is not None and status.serving >= until_set:
        return DONE, f"model set {status.serving} is in service"
    reached = [release for release in status.releases if release.number >= until_set]
    if reached and not reached[0].may_serve:
        return FAILED, f"model set {reached[0].number} was refused: {reached[0].gate.reason}"
    if not reached and is_produced and status.all_is_batched and status.all_is_trained:
        last = status.manifests[-1].number
        return FAILED, f"the data ended with batch {last}: there will be no model set {until_set}"
    return None, ""
