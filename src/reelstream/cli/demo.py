"""`reelstream demo`: everything at once, slowly enough to watch."""

from __future__ import annotations

import os
import sys
import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import httpx
import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.dataset_factories import STAND_IN
from reelstream.cli.progress import progress
from reelstream.cli.run import ADDRESSES, keep_alive, prepare
from reelstream.cli.stopping import stop_on_signals
from reelstream.datasets import simulate
from reelstream.settings import Settings
from reelstream.storage.work_folder import WorkFolder

# A hundred thousand ratings stream for a minute, and make some five model sets.
RATINGS_A_SECOND = 1_500.0
BATCH_SECONDS = 12.0
# How often it is looked whether the page is there.
POLL_SECONDS = 0.5


@with_settings("work", *ADDRESSES)
def demo(
    settings: Settings,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Simulate ratings, also where there is internet.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the page in a browser.")
    ] = False,
) -> int:
    """Run the pipeline at a rate that a person can follow, and open the page."""
    chosen: dict[str, object] = {"batch.seconds": BATCH_SECONDS}
    if settings.data.rate is None:
        chosen["data.rate"] = RATINGS_A_SECOND
    if simulated:
        chosen["data.folder"] = _simulated(WorkFolder(settings.work))
    with stop_on_signals() as stop:
        pipeline = prepare(settings.replaced(chosen), with_ui=True)
        if not no_browser and _has_screen():
            opener = threading.Thread(
                target=open_when_there, args=(pipeline.urls["page"], stop), daemon=True
            )
            opener.start()
        exit_code, _ = keep_alive(pipeline, None, stop)
    return exit_code


def _simulated(folder: WorkFolder) -> Path:
    """The work folder's simulated data set, made if it is not there."""
    if not folder.simulated.is_dir():
        folder.check_writable()
        with progress("simulating ratings") as on_progress:
            simulate(
                folder.simulated,
                **STAND_IN._asdict(),
                on_progress=lambda done: on_progress(done, STAND_IN.ratings),
            )
    return folder.simulated


def _has_screen() -> bool:
    # Without one, webbrowser would start a browser in the terminal, over the table of the run.
    is_shown = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    return bool(is_shown) and sys.stdout.isatty()


def open_when_there(url: str, stop: threading.Event) -> None:
    """Open the page in the person's browser once it answers, unless `stop` is set before."""
    while not stop.wait(POLL_SECONDS):
        try:
            httpx.get(url).raise_for_status()
        except httpx.HTTPError:
            continue
        webbrowser.open(url)
        return
