"""`reelstream forget`: a user is erased."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.factories import check_topic, open_log, open_work_folder
from reelstream.cli.options import LOG, Json
from reelstream.cli.output import print_json, print_table, utc
from reelstream.cli.progress import busy
from reelstream.cli.stopping import stop_on_signals
from reelstream.errors import SettingError, StorageError
from reelstream.ingest.forget import forget as send
from reelstream.monitoring.erasure_report import ErasureReport, report_erasure
from reelstream.settings import Settings
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.work_folder import WorkFolder

# How often `--wait` looks again.
LOOK_SECONDS = 1.0


@with_settings("work", *LOG)
def forget(
    settings: Settings,
    user_id: Annotated[
        # Ids are int64 everywhere.
        int, typer.Argument(metavar="USER", min=0, max=2**63 - 1, help="The user's id.")
    ],
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
    if report:
        _print(report_erasure(folder, user_id), as_json=as_json)
        return DONE
    timestamp = _send(settings, folder, user_id)
    if wait:
        return _wait(folder, user_id, timestamp, as_json=as_json)
    if as_json:
        print_json({"user_id": user_id, "timestamp": timestamp})
    else:
        typer.echo(
            f"the log has it: what user {user_id} has rated up to {utc(timestamp)} UTC is erased, "
            "from servers' answers as soon as they have read this, from batch files and snapshots "
            "by the next run of the trainer; the ratings stay in the log, and in the sets made so "
            f"far: `reelstream forget {user_id} --report`"
        )
    return DONE


def _send(settings: Settings, folder: WorkFolder, user_id: int) -> int:
    binding = folder.binding()
    with open_log(binding, settings.kafka) as log:
        check_topic(log, binding.topic, BatchFolder.in_folder(folder.batches))
        timestamp = send(user_id, log, binding.topic)
    facts = {"answer": {"userId": user_id, "erased_at": timestamp}}
    AuditLog(folder.audit_log).note("forget", "command line", is_durable=True, **facts)
    return timestamp


def _wait(folder: WorkFolder, user_id: int, asked_at: int, *, as_json: bool) -> int:
    """Look until nothing passing is left; exit code 1 when stopped before."""
    found: ErasureReport | None = None
    with stop_on_signals() as stop, busy("waiting for batch writer and trainer"):
        while not stop.is_set() and (found is None or not found.is_done):
            # A batch may be rewritten, or a snapshot removed, at this very time.
            with suppress(StorageError):
                found = report_erasure(folder, user_id, asked_at)
            if found is None or not found.is_done:
                stop.wait(LOOK_SECONDS)
    if found is None:
        return FAILED
    _print(found, as_json=as_json)
    return DONE if found.is_done else FAILED


def _print(found: ErasureReport, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found) | {"is_done": found.is_done})
        return
    at = "not erased" if found.erased_at is None else f"erased up to {utc(found.erased_at)} UTC"
    typer.echo(f"user {found.user_id}: {at}")
    print_table(
        ["where", "what is left", "until"],
        [[trace.where, trace.what, trace.until] for trace in found.traces],
    )
