"""`reelstream batches`: the closed batches of a work folder."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE
from reelstream.cli.opening import open_settings, open_work_folder, say
from reelstream.cli.output import print_json, print_table
from reelstream.errors import DamagedError

if TYPE_CHECKING:
    from reelstream.storage.batch_files import BatchFolder

app = typer.Typer(
    help="List batches, take one out of training, and put it back.", no_args_is_help=True
)

MAX_NAMED = 10
"""Of the users who are known again; a batch that is no good may have forgotten everybody."""

Number = Annotated[int, typer.Argument(metavar="N", help="The batch's number.")]


@app.command("list")
def list_batches(
    work: options.Work = None, config: options.Config = None, as_json: options.Json = False
) -> int:
    """Every closed batch: its ratings, what was rejected, how they drift, and whether it is taken
    out.
    """
    from reelstream.monitoring.trends import drift_of  # noqa: PLC0415

    batches = _open(work, config)
    excluded, manifests = batches.excluded(), batches.manifests()
    drift = {manifest.number: drift_of(manifest, manifests, excluded) for manifest in manifests}
    if as_json:
        print_json({"excluded": sorted(excluded), "drift": drift, "batches": manifests})
        return DONE
    print_table(
        ["batch", "closed at (UTC)", "ratings", "rejected", "repeats", "drift", "excluded"],
        [
            [
                manifest.number,
                time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(manifest.closed_at)),
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


@app.command()
def exclude(
    number: Number,
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Take a batch out of every later fit and of the users' histories; its files stay."""
    batches = _open(work, config)
    batches.exclude(number)
    _say_who_is_remembered(batches, number)
    return _report(batches, as_json)


@app.command()
def include(
    number: Number,
    work: options.Work = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Put a batch back that was taken out."""
    batches = _open(work, config)
    batches.include(number)
    return _report(batches, as_json)


def _say_who_is_remembered(batches: BatchFolder, number: int) -> None:
    """Whoever asked to be forgotten should not come back in silence."""
    with suppress(DamagedError):  # the very reason, perhaps, to exclude the batch
        rows = batches.read(batches.manifests()[number - 1])
        users = sorted(set(rows.user_id[rows.is_erasure].tolist()))
        if users:
            named = ", ".join(map(str, users[:MAX_NAMED])) + (" ..." if users[MAX_NAMED:] else "")
            say(
                f"users whom batch {number} forgot are known again: {named}; `reelstream forget"
                " USER` sends a wish anew"
            )


def _report(batches: BatchFolder, as_json: bool) -> int:
    excluded = sorted(batches.excluded())
    if as_json:
        print_json({"excluded": excluded})
    else:
        typer.echo(f"excluded batches: {', '.join(map(str, excluded)) or 'none'}")
    return DONE


def _open(work: Path | None, config: Path | None) -> BatchFolder:
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415

    folder, _ = open_work_folder(open_settings(config, {"work": work}))
    return BatchFolder(folder.batches)
