"""`reelstream forget`: a user is erased."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.factories import check_topic, known_ids, open_log, open_work_folder
from reelstream.cli.options import LOG, Json
from reelstream.cli.output import print_json, print_table, utc
from reelstream.cli.progress import busy
from reelstream.cli.stopping import stop_on_signals
from reelstream.errors import RatingError, SettingError, StorageError
from reelstream.ingest.forget import forget as send
from reelstream.monitoring.erasure_report import ErasureReport, report_erasure
from reelstream.ratings.events import check_id
from reelstream.ratings.ids import Id, Ids
from reelstream.settings import Settings
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.work_folder import WorkFolder

# How often `--wait` looks again.
LOOK_SECONDS = 1.0


@with_settings("work", *LOG)
def forget(
    settings: Settings,
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id.")],
    report: Annotated[
        bool,
        typer.Option("--report", help="Send nothing; say where the user still is, and until when."),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Return when only the log, and model sets that are kept, still hold something of "
            "the user.",
        ),
    ] = False,
    as_json: Json = False,
) -> int:
    """Send an erasure to the log, report what is left of a user, or both."""
    if report and wait:
        raise SettingError("--report looks once, and --wait until all is gone: name one of them")
    folder, _ = open_work_folder(settings)
    ids = known_ids(folder)
    user_id = _user_id(user, ids)
    shown = ids.user.show(user_id)
    if report:
        _print(report_erasure(folder, user_id), shown, as_json=as_json)
        return DONE
    timestamp = _send(settings, folder, user_id, ids)
    if wait:
        found = _wait(folder, user_id, timestamp)
        if found is not None:
            _print(found, shown, as_json=as_json)
        return DONE if found is not None and found.is_done else FAILED
    if as_json:
        print_json({"user_id": shown, "timestamp": timestamp})
    else:
        typer.echo(
            f"the log has it: what user {shown} has rated up to {utc(timestamp)} UTC is erased, "
            "from servers' answers as soon as they have read this, from batch files and snapshots "
            "by the next run of the trainer; the ratings stay in the log, and in the sets made so "
            f"far: `reelstream forget {shlex.quote(str(shown))} --report`"
        )
    return DONE


def _send(settings: Settings, folder: WorkFolder, user_id: int, ids: Ids) -> int:
    binding = folder.binding()
    with open_log(binding, settings.kafka) as log:
        check_topic(log, binding.topic, BatchFolder.in_folder(folder.batches))
        timestamp = send(user_id, log, binding.topic, ids)
    facts = {"answer": {"userId": ids.user.show(user_id), "erased_at": timestamp}}
    AuditLog(folder.audit_log).note("forget", "command line", is_durable=True, **facts)
    return timestamp


def _wait(folder: WorkFolder, user_id: int, asked_at: int) -> ErasureReport | None:
    """Look until nothing passing is left, or until stopped; what was found last."""
    found: ErasureReport | None = None
    with stop_on_signals() as stop, busy("waiting for batch writer and trainer"):
        while not stop.is_set() and (found is None or not found.is_done):
            # A batch may be rewritten, or a snapshot removed, at this very time.
            with suppress(StorageError):
                found = report_erasure(folder, user_id, asked_at)
            if found is None or not found.is_done:
                stop.wait(LOOK_SECONDS)
    return found


def _print(found: ErasureReport, shown: Id, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found) | {"user_id": shown, "is_done": found.is_done})
        return
    at = "not erased" if found.erased_at is None else f"erased up to {utc(found.erased_at)} UTC"
    typer.echo(f"user {shown}: {at}")
    print_table(
        ["where", "what is left", "until"],
        [[trace.where, trace.what, trace.until] for trace in found.traces],
    )


def _user_id(user: str, ids: Ids) -> int:
    """Raises SettingError for what is no id."""
    try:
        user_id = ids.user.read(user)
        check_id("userId", user_id)
    except RatingError as error:
        raise SettingError(str(error)) from error
    return user_id
