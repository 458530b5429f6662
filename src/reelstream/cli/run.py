"""`reelstream run`: the whole pipeline on one machine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli.addresses import url
from reelstream.cli.command_settings import with_settings
from reelstream.cli.compiled import is_compiled
from reelstream.cli.dataset_factories import open_dataset
from reelstream.cli.factories import bind_work_folder, open_log
from reelstream.cli.notices import print_notice
from reelstream.cli.options import BATCH, DATA, ENGINE, NEW_LOG, SOURCE, Json
from reelstream.cli.output import print_json
from reelstream.cli.page_key import page_key
from reelstream.cli.pipeline import Pipeline
from reelstream.cli.preflight import check_page, free_port
from reelstream.cli.stopping import stop_on_signals
from reelstream.files import FileLock
from reelstream.settings import Settings

if TYPE_CHECKING:
    from reelstream.monitoring.status import PipelineStatus

ADDRESSES = (
    "serve.host",
    "ui.host",
    "serve.port",
    "serve.needs_key",
    "ui.port",
    "metrics.port",
)
SETTINGS = (*DATA, "work", *NEW_LOG, *ENGINE, *BATCH, *SOURCE, *ADDRESSES)


@with_settings(*SETTINGS)
def run(
    settings: Settings,
    until_set: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="End when model set N, or the first after it, is in service."
        ),
    ] = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without the page.")] = False,
    as_json: Json = False,
) -> int:
    """Keep all stages alive until stopped, or until a model set serves."""
    with stop_on_signals() as stop:
        pipeline = prepare(settings, with_ui=not no_ui)
        exit_code, status = keep_alive(pipeline, until_set, stop, on_stderr=as_json)
    if as_json and status is not None:
        print_json(
            {
                "model_set": status.serving,
                "batches": len(status.manifests),
                "rows": status.batch_rows,
                "urls": pipeline.urls,
                "exit_code": exit_code,
            }
        )
    return exit_code


def keep_alive(
    pipeline: Pipeline, until_set: int | None, stop: threading.Event, *, on_stderr: bool = False
) -> tuple[int, PipelineStatus | None]:
    """Keep the stages alive: see `Pipeline.follow`. Raises LockedError beside another run."""
    # A second run on the folder would start every stage again.
    with FileLock(pipeline.folder.run_lock), page_key(pipeline.folder, pipeline.settings.ui):
        if not is_compiled():
            print_notice(
                "the first run on this machine compiles its functions: about a minute more until"
                " a model set is in service"
            )
        return pipeline.follow(until_set, stop, on_stderr=on_stderr)


def prepare(settings: Settings, *, with_ui: bool) -> Pipeline:
    """Whatever can be refused is refused here, in one sentence, and not by every stage."""
    api_port = free_port(settings.serve.host, settings.serve.port, "--port")
    urls = {"API": url(settings.serve.host, api_port)}
    chosen: dict[str, object] = {"serve.port": api_port, "ui.api": settings.ui.api or urls["API"]}
    if with_ui:
        check_page()
        chosen["ui.port"] = ui_port = free_port(settings.ui.host, settings.ui.port, "--ui-port")
        urls["page"] = url(settings.ui.host, ui_port)
    dataset = open_dataset(settings)
    folder, binding = bind_work_folder(settings, dataset)
    folder.check_writable()
    with open_log(binding, settings.kafka):
        pass  # an unreachable log is better reported once, here
    # A stage must not choose again: what is a default now may be another when it restarts.
    chosen |= {
        "work": folder.root,
        "data.folder": dataset.ratings_file,
        "broker.url": binding.broker,
        "broker.topic": binding.topic,
    }
    return Pipeline(settings=settings.replaced(chosen), folder=folder, binding=binding, urls=urls)
