"""`reelstream models`: the model sets of a work folder."""

from __future__ import annotations

from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.factories import open_work_folder
from reelstream.cli.notices import print_notice
from reelstream.cli.options import Json, SetNumber
from reelstream.cli.output import print_json, print_table, utc
from reelstream.cli.progress import busy
from reelstream.cli.release_text import print_release
from reelstream.errors import SettingError
from reelstream.settings import Settings
from reelstream.storage.model_sets import ModelSetStore


@with_settings("work")
def list_sets(settings: Settings, as_json: Json = False) -> int:
    """List the model sets on disk."""
    registry = _open_registry(settings)
    current, pinned = registry.current(), registry.pinned()
    releases = registry.releases()
    in_service = None if current is None else current.number
    if as_json:
        print_json({"current": in_service, "pinned": pinned, "releases": releases})
        return DONE
    # A pinned set is also in service: its marker replaces the other.
    markers = {in_service: "◀"} | {pinned: "◀ pinned"}
    print_table(
        # As many as a terminal of 80 columns holds; `models show` has the other scores.
        ["set", "current", "trained at (UTC)", "batches", "RMSE", "AUC", "NDCG@10", "gate"],
        [
            [
                release.number,
                markers.get(release.number, ""),
                utc(release.created_at)[: -len(":00")],
                len(release.manifests),
                release.holdout.rmse,
                release.holdout.auc,
                release.holdout.ndcg_10,
                release.gate.verdict,
            ]
            for release in releases
        ],
    )
    return DONE


@with_settings("work")
def show(settings: Settings, number: SetNumber, as_json: Json = False) -> int:
    """Print the release of a model set."""
    release = _open_registry(settings).release(number)
    if as_json:
        print_json(release)
    else:
        print_release(release)
    return DONE


@with_settings("work")
def activate(
    settings: Settings,
    number: Annotated[
        int | None, typer.Argument(metavar="N", help="The model set's number.")
    ] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="Serve the newest set again, now and later.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Choose the set in service."""
    # Exactly one of them: no argument must not silently mean the newest.
    if (number is None) == (not latest):
        raise SettingError("name the model set's number, or --latest")
    registry = _open_registry(settings)
    registry.activate(number)
    current = registry.current()
    in_service = None if current is None else current.number
    if as_json:
        print_json({"current": in_service, "pinned": registry.pinned()})
    else:
        typer.echo(f"model set {in_service} is current")
    return DONE


@with_settings("train.keep", "work")
def prune(settings: Settings, as_json: Json = False) -> int:
    """Remove old model sets."""
    removed = _open_registry(settings).prune(settings.train.keep)
    if as_json:
        print_json({"removed": removed})
    else:
        typer.echo(f"removed model sets: {', '.join(map(str, removed)) or 'none'}")
    return DONE


@with_settings("work")
def verify(settings: Settings, as_json: Json = False) -> int:
    """Compare files with their checksums; exit code 1 when one differs."""
    registry = _open_registry(settings)
    with busy("checking files of model sets"):
        problems = registry.verify()
    if as_json:
        print_json({"problems": problems})
    elif not problems:
        typer.echo("every model set is as it was published")
    for problem in problems:
        print_notice(problem)
    return FAILED if problems else DONE


def _open_registry(settings: Settings) -> ModelSetStore:
    folder, _ = open_work_folder(settings)
    return ModelSetStore.in_folder(folder.models)
