"""`reelstream rejected`: rows of the log that are no ratings, and how they become some."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE
from reelstream.cli.opening import check_topic, open_log, open_settings, open_work_folder
from reelstream.cli.output import print_json, print_table
from reelstream.errors import InputError, RatingError, SettingError

if TYPE_CHECKING:
    from reelstream.storage.batch_files import BatchFolder, RejectedRow
    from reelstream.storage.requeue_folder import RequeuedRow, RequeueFolder
    from reelstream.storage.work_folder import Binding, WorkFolder

app = typer.Typer(
    help="List rejected rows, show them, and send them again after an edit.", no_args_is_help=True
)


class _Kind(NamedTuple):
    """Rows of one batch that were rejected for one reason."""

    batch: int
    reason: str
    rows: int
    requeued: int
    first: str


@app.command("list")
def list_rejected(
    work: options.Work = None, config: options.Config = None, as_json: options.Json = False
) -> int:
    """How many rows were rejected, by batch and reason."""
    folder, _ = open_work_folder(open_settings(config, {"work": work}))
    batches, queue = _open(folder)

    from reelstream.storage.rejected import each_rejected, kind_of, place_of  # noqa: PLC0415

    requeued, found = queue.places(), list[_Kind]()
    for manifest, rows in each_rejected(batches):
        kinds = Counter(kind_of(row.reason) for row in rows)
        again = Counter(kind_of(row.reason) for row in rows if place_of(row) in requeued)
        first = {kind_of(row.reason): row for row in reversed(rows)}
        found += [
            _Kind(manifest.number, kind, count, again[kind], "{}:{}".format(*place_of(first[kind])))
            for kind, count in kinds.most_common()
        ]
    if as_json:
        print_json({"rejected": [kind._asdict() for kind in found]})
    else:
        print_table(_Kind._fields, found)
    return DONE


@app.command()
def show(
    what: Annotated[
        str,
        typer.Argument(metavar="N|PARTITION:OFFSET", help="A batch's number, or one row's place."),
    ],
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """The rejected rows of a batch, or one of them, with reason and bytes; `requeue` takes these
    lines back.
    """
    folder, _ = open_work_folder(open_settings(config, {"work": work}))
    batches, queue = _open(folder)

    from reelstream.cli.rejected_text import lines_of  # noqa: PLC0415
    from reelstream.storage.rejected import place_of  # noqa: PLC0415

    rows, is_one = _rows(batches, what)
    requeued = queue.places()
    if as_json:
        print_json({"rows": [{"row": row, "requeued": place_of(row) in requeued} for row in rows]})
    else:
        for line in lines_of(rows, requeued, whole=is_one):
            typer.echo(line)
    return DONE


@app.command("requeue")
def requeue_rows(
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
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    kafka: options.Kafka = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Send rejected rows again after an edit, each once; nothing is sent unless all of them are
    ratings.
    """
    if (file is None) == (edit is None):
        raise SettingError(
            "name the edited lines in FILE (- for stdin), or the rows to edit with --edit"
        )
    settings = open_settings(
        config, {"work": work, "broker.url": broker, "broker.topic": topic, "kafka": kafka}
    )
    folder, binding = open_work_folder(settings)
    batches, queue = _open(folder)

    from reelstream.ingest.requeue import requeue  # noqa: PLC0415

    text = _edited(batches, queue, edit) if edit is not None else _read(file)
    rows = _requeued_rows(batches, binding, text)
    with open_log(binding, settings.kafka) as log:
        check_topic(log, binding.topic, batches)
        report = requeue(rows, queue, log, binding.topic, folder.checkpoints / "requeue.json")
    if as_json:
        print_json(report)
    else:
        before = f"; {report.before:,} had been requeued before" if report.before else ""
        typer.echo(f"{report.requeued:,} rows requeued{before}")
    return DONE


def _open(folder: WorkFolder) -> tuple[BatchFolder, RequeueFolder]:
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415
    from reelstream.storage.requeue_folder import RequeueFolder  # noqa: PLC0415

    return BatchFolder(folder.batches), RequeueFolder(folder.requeued)


def _rows(batches: BatchFolder, what: str) -> tuple[list[RejectedRow], bool]:
    """The rows of a batch or the one at a place, and whether it is the latter."""
    from reelstream.cli.rejected_text import read_place  # noqa: PLC0415
    from reelstream.storage.rejected import find_rejected, rejected_of_batch  # noqa: PLC0415

    wanted = read_place(what)
    if isinstance(wanted, int):
        return rejected_of_batch(batches, wanted), False
    return list(find_rejected(batches, [wanted]).values()), True


def _requeued_rows(batches: BatchFolder, binding: Binding, text: str) -> list[RequeuedRow]:
    """What the edited lines ask for, in the order of the log. Raises RatingError, naming rows that
    are none.
    """
    from reelstream.cli.rejected_text import read_lines  # noqa: PLC0415
    from reelstream.ingest.requeue import read_edited  # noqa: PLC0415
    from reelstream.storage.rejected import find_rejected  # noqa: PLC0415
    from reelstream.storage.requeue_folder import RequeuedRow  # noqa: PLC0415

    values = read_lines(text)
    rejected = find_rejected(batches, values)
    rows, problems = [], []
    for place in sorted(values):
        try:
            rows.append(
                RequeuedRow(*place, read_edited(values[place], rejected[place], binding.scale))
            )
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


def _edited(batches: BatchFolder, queue: RequeueFolder, what: str) -> str:
    """What a person makes of the rows in an editor. Raises SettingError when that fails, InputError
    when it is no text.
    """
    from reelstream.cli.rejected_text import lines_of  # noqa: PLC0415

    rows, is_one = _rows(batches, what)
    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rejected.txt"
        path.write_text(
            "".join(f"{line}\n" for line in lines_of(rows, queue.places(), whole=is_one)), "utf-8"
        )
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
