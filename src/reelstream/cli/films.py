"""`reelstream films`: what a work folder knows of films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.dataset_factories import named_columns
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import open_work_folder
from reelstream.cli.film_updates import say_what_was_read, update_films
from reelstream.cli.options import Json
from reelstream.cli.output import print_json
from reelstream.cli.progress import busy
from reelstream.datasets.detection import read_film_files
from reelstream.settings import Settings


@with_settings("work", "data.columns")
def update(
    settings: Settings,
    data: Annotated[
        Path,
        typer.Argument(metavar="DATA", help="A data set's folder or archive, or a film file."),
    ],
    as_json: Json = False,
) -> int:
    """Take over new and changed films; a running system answers with them at once."""
    folder, binding = open_work_folder(settings)
    with busy("reading films"):
        read = read_film_files(data, named_columns(settings.data), binding.ids().item)
    say_what_was_read(read, data.name)
    done = update_films(folder, read)
    if as_json:
        print_json(done._asdict())
    else:
        typer.echo(f"{done.films:,} films: {done.added:,} added, {done.changed:,} changed")
    return DONE
