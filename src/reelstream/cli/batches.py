"""`reelstream batches`: the closed batches of a work folder."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import known_ids, open_work_folder
from reelstream.cli.notices import print_notice
from reelstream.cli.options import Json
from reelstream.cli.output import print_json, print_table, utc
from reelstream.errors import DamagedError
from reelstream.monitoring.trends import drift_of
from reelstream.ratings.ids import Ids
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.work_folder import WorkFolder

# Of the users who are known again; a damaged batch may have forgotten everybody.
MAX_LISTED_USERS = 10

BatchNumber = Annotated[int, typer.Argument(metavar="N", help="The batch's number.")]


@with_settings("work")
def list_batches(settings: Settings, as_json: Json = False) -> int:
    """List the closed batches."""
    batches = _open(settings)
    excluded, manifests = batches.excluded(), batches.manifests()
    drift = {each.number: drift_of(each, manifests, excluded) for each in manifests}
    if as_json:
        print_json({"excluded": sorted(excluded), "drift": drift, "batches": manifests})
        return DONE
    print_table(
        ["batch", "closed at (UTC)", "ratings", "rejected", "repeats", "drift", "excluded"],
        [
            [
                manifest.number,
                utc(manifest.closed_at),
                manifest.rows,
                manifest.rejected_rows,
                manifest.repeats,
                drift[manifest.number],
                "yes" if manifest.number in excluded else "",
            ]
            for manifest in manifests
        ],
    )
    return DONE


@with_settings("work")
def exclude(settings: Settings, number: BatchNumber, as_json: Json = False) -> int:
    """Take a batch out of training and histories."""
    batches = _open(settings)
    batches.exclude(number)
    _warn_of_remembered_users(batches, number, known_ids(WorkFolder(settings.work)))
    return _print_excluded(batches, as_json=as_json)


@with_settings("work")
def include(settings: Settings, number: BatchNumber, as_json: Json = False) -> int:
    """Put a batch back."""
    batches = _open(settings)
    batches.include(number)
    return _print_excluded(batches, as_json=as_json)


def _warn_of_remembered_users(batches: BatchFolder, number: int, ids: Ids) -> None:
    """Name those whose erasure request was in the batch: it counts no longer."""
    with suppress(DamagedError):  # the very reason, perhaps, to exclude the batch
        rows = batches.read(batches.manifests()[number - 1])
        erased = sorted(set(rows.user_id[rows.is_erasure].tolist()))
        users = [str(ids.user.show(user_id)) for user_id in erased]
        if users:
            more = " ..." if users[MAX_LISTED_USERS:] else ""
            print_notice(
                f"users whom batch {number} forgot count again, as far as "
                "their rows are still in files: "
                f"{', '.join(users[:MAX_LISTED_USERS])}{more}; "
                "`reelstream forget USER` sends an erasure request again"
            )


def _print_excluded(batches: BatchFolder, *, as_json: bool) -> int:
    excluded = sorted(batches.excluded())
    if as_json:
        print_json({"excluded": excluded})
    else:
        typer.echo(f"excluded batches: {', '.join(map(str, excluded)) or 'none'}")
    return DONE


def _open(settings: Settings) -> BatchFolder:
    folder, _ = open_work_folder(settings)
    return BatchFolder.in_folder(folder.batches)
