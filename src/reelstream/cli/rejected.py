"""`reelstream rejected`: the dead letters, rows of the log that are no ratings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Annotated, NamedTuple

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import known_ids, open_work_folder
from reelstream.cli.options import Json
from reelstream.cli.output import print_json, print_table
from reelstream.cli.rejected_text import lines_of, read_place
from reelstream.ratings.reasons import kind_of
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder, Manifest, RejectedRow
from reelstream.storage.rejected import (
    Place,
    count_reasons,
    each_rejected,
    find_rejected,
    place_of,
    rejected_of_batch,
)
from reelstream.storage.requeue_folder import RequeueFolder


class _Kind(NamedTuple):
    """Rows of one batch that were rejected for one reason."""

    batch: int
    reason: str
    rows: int
    requeued: int
    first: str


@with_settings("work")
def list_rejected(settings: Settings, as_json: Json = False) -> int:
    """Count rejected rows by batch and reason."""
    batches, queue = open_rejected(settings)
    requeued = queue.places()
    kinds = [
        kind
        for manifest, rows in each_rejected(batches)
        for kind in _kinds(manifest, rows, requeued)
    ]
    if as_json:
        print_json({"rejected": [kind._asdict() for kind in kinds]})
    else:
        print_table(_Kind._fields, kinds)
    return DONE


@with_settings("work")
def show(
    settings: Settings,
    rows: Annotated[
        str,
        typer.Argument(metavar="N|PARTITION:OFFSET", help="A batch's number, or one row's place."),
    ],
    as_json: Json = False,
) -> int:
    """Print rejected rows in the format that `requeue` reads."""
    batches, queue = open_rejected(settings)
    found, is_one = select_rows(batches, rows)
    requeued = queue.places()
    if as_json:
        print_json({"rows": [{"row": row, "requeued": place_of(row) in requeued} for row in found]})
    else:
        for line in lines_of(found, requeued, whole=is_one):
            typer.echo(line)
    return DONE


def open_rejected(settings: Settings) -> tuple[BatchFolder, RequeueFolder]:
    """The batches of a work folder, and the record of what was requeued. Raises SettingError."""
    folder, _ = open_work_folder(settings)
    return BatchFolder.in_folder(folder.batches), RequeueFolder.in_folder(
        folder.requeued, known_ids(folder)
    )


def select_rows(batches: BatchFolder, text: str) -> tuple[list[RejectedRow], bool]:
    """The rows of the batch or at the place that `text` names, and whether it is a place."""
    wanted = read_place(text)
    if isinstance(wanted, int):
        return rejected_of_batch(batches, wanted), False
    return list(find_rejected(batches, [wanted]).values()), True


def _kinds(
    manifest: Manifest, rows: Sequence[RejectedRow], requeued: Collection[Place]
) -> list[_Kind]:
    again = Counter(kind_of(row.reason) for row in rows if place_of(row) in requeued)
    return [
        _Kind(
            batch=manifest.number,
            reason=each.kind,
            rows=each.rows,
            requeued=again[each.kind],
            first="{}:{}".format(*place_of(each.first)),
        )
        for each in count_reasons(rows)
    ]
