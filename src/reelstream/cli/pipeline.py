"""The stages of a run, kept alive until it may end."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reelstream.cli.exit_codes import DONE, FAILED, INTERRUPTED
from reelstream.cli.serving import url
from reelstream.cli.stage import Stage
from reelstream.cli.supervisor import Supervisor
from reelstream.settings import Settings
from reelstream.storage.work_folder import Binding, WorkFolder

if TYPE_CHECKING:
    from reelstream.cli.pipeline_status import PipelineStatus

STATUS_SECONDS = 0.25
"""How often the stages and the status are looked at."""


def make_stages(
    settings: Settings,
    config: Path | None,
    folder: WorkFolder,
    binding: Binding,
    data: Path,
    api_port: int,
    ui_port: int | None,
) -> list[Stage]:
    """Every stage with all that it must be told; what is left out it finds where the run found
    it.
    """
    folder.stage_logs.mkdir(exist_ok=True)
    shared = ["--work", str(folder.root), *(["--config", str(config)] if config else [])]
    log = [
        "--broker",
        binding.broker,
        "--topic",
        binding.topic,
        "--partitions",
        str(settings.broker.partitions),
    ]
    rate = ["--rate", str(settings.data.rate)] if settings.data.rate else []
    spark = ["--master", settings.spark.master] if settings.spark.master else []
    for key, value in settings.spark.conf.items():
        spark += ["--conf", f"{key}={value}"]
    commands = {
        "produce": ["--data", str(data), "--order", settings.data.order, *rate, *log],
        "batch": [
            "--batch-rows",
            str(settings.batch.rows),
            "--batch-seconds",
            str(settings.batch.seconds),
            *log,
        ],
        "train": ["--engine", settings.train.engine, *spark, "--follow"],
        "serve": ["--host", settings.serve.host, "--port", str(api_port)],
    }
    if settings.metrics.port is not None:
        for place, name in enumerate(("produce", "batch", "train")):
            port = settings.metrics.port + place if settings.metrics.port else 0
            commands[name] += ["--metrics-port", str(port)]
    if ui_port is not None:
        api = settings.ui.api or url(settings.serve.host, api_port)
        commands["ui"] = ["--api", api, "--host", settings.ui.host, "--port", str(ui_port)]
    stages = []
    for name, arguments in commands.items():
        path = folder.stage_logs / f"{name}.log"
        path.write_bytes(b"")
        command = [sys.executable, "-m", "reelstream", name, *shared, *arguments]
        # The page can wait: nobody looks at it before there is a model set.
        stages.append(
            Stage(name, command, path, ends=name == "produce", niceness=10 if name == "ui" else 0)
        )
    return stages


def follow(
    stages: Sequence[Stage],
    folder: WorkFolder,
    binding: Binding,
    kafka: Mapping[str, str],
    urls: Mapping[str, str],
    until_set: int | None,
    stop: threading.Event,
    *,
    on_stderr: bool = False,
) -> tuple[int, PipelineStatus | None]:
    """Keep the stages alive until the set wanted serves, cannot serve any more, or somebody asks to
    stop.
    """
    said: list[str] = []
    with Supervisor(stages, said.append) as supervisor:
        supervisor.check()  # starts them all: what the status needs is imported while they start

        from reelstream.cli.pipeline_status import StatusReader  # noqa: PLC0415
        from reelstream.cli.status_view import StatusView  # noqa: PLC0415

        status = None
        with (
            StatusReader(folder, binding, kafka, urls["API"]) as reader,
            StatusView(stages, urls, on_stderr) as view,
        ):
            while not stop.is_set():
                supervisor.check()
                while said:
                    view.say(said.pop(0))
                status = reader.read()
                view.show(status)
                if until_set is not None:
                    outcome, why = outcome_of(status, until_set, supervisor.is_done("produce"))
                    if outcome is not None:
                        view.say(why)
                        return outcome, status
                stop.wait(STATUS_SECONDS)
    return (DONE if until_set is None else INTERRUPTED), status


def outcome_of(status: PipelineStatus, until_set: int, is_produced: bool) -> tuple[int | None, str]:
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
