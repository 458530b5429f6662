"""`reelstream forget`: a user's ratings count no longer."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE
from reelstream.cli.opening import check_topic, open_log, open_settings, open_work_folder
from reelstream.cli.output import print_json


def forget(
    user_id: Annotated[
        int, typer.Argument(metavar="USER", min=0, max=2**63 - 1, help="The user's id.")
    ],
    work: options.Work = None,
    broker: options.Broker = None,
    topic: options.Topic = None,
    kafka: options.Kafka = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Forget all that a user has rated up to now, by a message on the log; what is rated later
    counts.
    """
    settings = open_settings(
        config, {"work": work, "broker.url": broker, "broker.topic": topic, "kafka": kafka}
    )
    folder, binding = open_work_folder(settings)

    from reelstream.ingest.forget import forget as send  # noqa: PLC0415
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415

    with open_log(binding, settings.kafka) as log:
        check_topic(log, binding.topic, BatchFolder(folder.batches))
        timestamp = send(user_id, log, binding.topic)
    if as_json:
        print_json({"user_id": user_id, "timestamp": timestamp})
    else:
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(timestamp))
        typer.echo(
            f"the log has it: what user {user_id} has rated up to {moment} UTC is forgotten, by"
            " servers as soon as they have read this, by model sets from the next one on; the"
            " ratings stay in the log and in the batch files, and in the sets made so far"
        )
    return DONE
