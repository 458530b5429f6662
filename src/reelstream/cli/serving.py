"""`reelstream serve` and `reelstream ui`: the API, and the page that asks it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE
from reelstream.cli.opening import open_log, open_settings, open_work_folder
from reelstream.cli.output import print_json
from reelstream.cli.preflight import check_page, free_port

if TYPE_CHECKING:
    from flask import Flask


def serve(
    work: options.Work = None,
    host: options.Host = None,
    port: options.Port = None,
    kafka: options.Kafka = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Answer from the newest model set and every user's ratings up to now; Ctrl-C ends it."""
    settings = open_settings(
        config, {"work": work, "serve.host": host, "serve.port": port, "kafka": kafka}
    )
    folder, _ = open_work_folder(settings)

    from reelstream.api.server import serve as listen  # noqa: PLC0415

    at = free_port(settings.serve.host, settings.serve.port, "--port")
    announce("API", settings.serve.host, at, as_json)
    listen(settings.serve.host, at, partial(make_app, folder.root, settings.kafka))
    return DONE


def make_app(work: Path, kafka: Mapping[str, str]) -> Flask:
    """The API on a work folder, following it; called in the process that answers."""
    from reelstream.api.app import create_app  # noqa: PLC0415
    from reelstream.api.service import Service  # noqa: PLC0415
    from reelstream.models.warm_up import warm_up_set  # noqa: PLC0415
    from reelstream.serving.live_histories import LiveHistories  # noqa: PLC0415
    from reelstream.serving.live_updates import LiveUpdates  # noqa: PLC0415
    from reelstream.serving.predictor import Predictor  # noqa: PLC0415
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415
    from reelstream.storage.model_registry import ModelRegistry  # noqa: PLC0415
    from reelstream.storage.snapshot_store import SnapshotStore  # noqa: PLC0415
    from reelstream.storage.work_folder import WorkFolder  # noqa: PLC0415
    from reelstream.telemetry import LOG_FORMAT_VARIABLE, configure_logs  # noqa: PLC0415

    configure_logs(os.environ.get(LOG_FORMAT_VARIABLE))
    folder = WorkFolder(work)
    binding = folder.binding()
    catalog, registry, predictor = (
        folder.read_catalog(),
        ModelRegistry(folder.models),
        Predictor(LiveHistories()),
    )
    live_updates = LiveUpdates(
        predictor,
        registry,
        BatchFolder(folder.batches),
        SnapshotStore(folder.history),
        open_log(binding, kafka),
        binding.topic,
        catalog,
        binding.scale,
    )
    warm_up_set().prepare()
    live_updates.start()
    return create_app(Service(predictor, live_updates, registry, catalog, binding.scale))


def ui(
    work: options.Work = None,
    api: options.Api = None,
    host: options.Host = None,
    port: options.UiPort = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Show the page; it asks the API, and needs no work folder."""
    settings = open_settings(
        config, {"work": work, "ui.api": api, "ui.host": host, "ui.port": port}
    )
    check_page()
    at = free_port(settings.ui.host, settings.ui.port, "--port")
    address = settings.ui.api or url(settings.serve.host, settings.serve.port)
    announce("page", settings.ui.host, at, as_json)
    # Become the page's server, so that signals reach it directly. It is a program of its own: it
    # knows the API alone.
    os.execv(
        sys.executable,
        [sys.executable, "-m", "reelstream.ui.launcher", address, settings.ui.host, str(at)],
    )


def announce(what: str, host: str, port: int, as_json: bool) -> None:
    """Say where something can be opened."""
    if as_json:
        print_json({"url": url(host, port)})
    else:
        typer.echo(f"{what}: {url(host, port)}")
    sys.stdout.flush()


def url(host: str, port: int) -> str:
    """Where a person on this machine reaches what listens on `host:port`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{reachable}]' if ':' in reachable else reachable}:{port}"
