"""`reelstream rejected requeue`: rejected rows are sent again after an edit."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import check_topic, open_log, open_work_folder
from reelstream.cli.options import LOG, Json
from reelstream.cli.output import print_json
from reelstream.cli.rejected import open_rejected, select_rows
from reelstream.cli.rejected_text import lines_of, read_lines
from reelstream.errors import InputError, RatingError, SettingError
from reelstream.ingest.requeue import read_edited, requeue
from reelstream.ratings.ids import Ids
from reelstream.ratings.scale import RatingScale
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.rejected import find_rejected
from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder


@with_settings("work", *LOG)
def requeue_rows(
    settings: Settings,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Lines as `show` writes them, edited; - reads stdin."),
    ] = None,
    edit: Annotated[
        str | None,
        typer.Option(
            "--edit",
            metavar="N|PARTITION:OFFSET",
            help="Open these rows in $EDITOR, and take what it leaves.",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Send edited rows to the log, each once."""
    if (file is None) == (edit is None):
        raise SettingError(
            "name the edited lines in FILE (- for stdin), or the rows to edit with --edit"
        )
    folder, binding = open_work_folder(settings)
    batches, queue = open_rejected(settings)
    text = _edit(batches, queue, edit) if edit is not None else _read(file)
    rows = _read_rows(batches, binding.scale, text, queue.ids)
    with open_log(binding, settings.kafka) as log:
        # Places name offsets of the topic from which the batches were made.
        check_topic(log, binding.topic, batches)
        report = requeue(rows, queue, log, binding.topic, folder.checkpoints / "requeue.json")
    if as_json:
        print_json(report)
    else:
        before = f"; {report.before:,} had been requeued before" if report.before else ""
        typer.echo(f"{report.requeued:,} rows requeued{before}")
    return DONE


def _read_rows(batches: BatchFolder, scale: RatingScale, text: str, ids: Ids) -> list[RequeuedRow]:
    """The edited rows, in the order of the log. Raises RatingError for rows that are no ratings."""
    values = read_lines(text)
    rejected = find_rejected(batches, values)
    rows, problems = [], []
    for place in sorted(values):
        try:
            event = read_edited(values[place], rejected[place], scale, ids)
            rows.append(RequeuedRow(*place, event))
        except RatingError as error:
            problems.append(f"{place[0]}:{place[1]}: {error}")
    if problems:
        more = f", and {len(problems) - 1:,} more rows" if problems[1:] else ""
        raise RatingError(f"{problems[0]}{more}: nothing was sent")
    return rows


def _read(file: Path | None) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else Path(str(file)).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as text: {error}") from error


def _edit(batches: BatchFolder, queue: RequeueFolder, rows: str) -> str:
    """What a person makes of rows in an editor.

    Raises:
        SettingError: The editor failed.
        InputError: What it left is no text.
    """
    found, is_one = select_rows(batches, rows)
    # The variables may hold arguments: `code --wait`.
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    # A folder, since editors write backup and swap files beside what they edit.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rejected.txt"
        lines = lines_of(found, queue.places(), whole=is_one)
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        try:
            subprocess.run([*editor, str(path)], check=True)
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"what the editor left is no UTF-8 text, nothing was sent: {error}"
            ) from error
        except (OSError, subprocess.CalledProcessError) as error:
            raise SettingError(
                f"the editor failed, nothing was sent: {error}; set EDITOR, or name a FILE"
            ) from error
