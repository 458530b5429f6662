"""`reelstream serve`: the API."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from flask import Flask

from reelstream.api.server import serve as listen
from reelstream.cli.addresses import announce
from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import access_of, open_work_folder
from reelstream.cli.options import Json
from reelstream.cli.preflight import check_tracing, free_port
from reelstream.settings import ServeSettings, Settings


@with_settings(
    "work",
    "serve.host",
    "serve.port",
    "serve.workers",
    "serve.needs_key",
    "serve.rate",
    "serve.origins",
    "serve.proxies",
    "serve.tracing",
    "kafka",
)
def serve(settings: Settings, as_json: Json = False) -> int:
    """Serve the API until Ctrl-C or SIGTERM."""
    folder, _ = open_work_folder(settings)
    # Refused here, and not by every worker.
    access_of(folder, settings.serve)
    if settings.serve.tracing:
        check_tracing()
    port = free_port(settings.serve.host, settings.serve.port, "--port")
    announce("API", settings.serve.host, port, as_json=as_json)
    listen(
        settings.serve.host,
        port,
        partial(_make_app, folder.root, settings.kafka, settings.serve),
        settings.serve.workers,
    )
    return DONE


def _make_app(work: Path, kafka: Mapping[str, str], serve: ServeSettings) -> Flask:
    # Only the process that answers loads the models.
    from reelstream.cli.api_process import make_app  # noqa: PLC0415

    return make_app(work, kafka, serve)
