"""`reelstream forget`: a user's ratings count no longer."""

from __future__ import annotations

from typing import Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import check_topic, open_log, open_work_folder
from reelstream.cli.options import LOG, Json
from reelstream.cli.output import print_json, utc
from reelstream.ingest.forget import forget as send
from reelstream.settings import Settings
from reelstream.storage.batch_files import BatchFolder


@with_settings("work", *LOG)
def forget(
    settings: Settings,
    user_id: Annotated[
        # Ids are int64 everywhere.
        int, typer.Argument(metavar="USER", min=0, max=2**63 - 1, help="The user's id.")
    ],
    as_json: Json = False,
) -> int:
    """Send an erasure request to the log."""
    folder, binding = open_work_folder(settings)
    with open_log(binding, settings.kafka) as log:
        check_topic(log, binding.topic, BatchFolder.in_folder(folder.batches))
        timestamp = send(user_id, log, binding.topic)
    if as_json:
        print_json({"user_id": user_id, "timestamp": timestamp})
    else:
        typer.echo(
            f"the log has it: what user {user_id} has rated up to {utc(timestamp)} UTC is "
            "forgotten, by servers as soon as they have read this, by model sets from the next one "
            "on; the ratings stay in the log and in the batch files, and in the sets made so far"
        )
    return DONE
