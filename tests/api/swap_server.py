"""The API on a folder of `mean_engine` sets, in WORKERS processes:
`swap_server.py FOLDER WORKERS PORT`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from flask import Flask

from mean_engine import CATALOG, SCALE
from reelstream.api.access import Access
from reelstream.api.app import create_app
from reelstream.api.idempotency import Idempotency
from reelstream.api.server import serve
from reelstream.api.service import Service
from reelstream.broker import open_broker
from reelstream.serving.live_histories import LiveHistories
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_follower import LogSource
from reelstream.serving.log_writer import LogWriter
from reelstream.serving.predictor import Predictor
from reelstream.storage.answered_writes import AnsweredWrites
from reelstream.storage.api_keys import ApiKeys
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.snapshot_store import SnapshotStore


def make_app(root: Path) -> Flask:
    registry, predictor = ModelSetStore.in_folder(root / "models"), Predictor(LiveHistories())
    broker = open_broker(f"sqlite:{root / 'log.db'}")
    updates = LiveUpdates(
        predictor,
        model_sets=registry,
        catalog=CATALOG,
        batches=BatchFolder.in_folder(root / "batched_data"),
        snapshots=SnapshotStore.in_folder(root / "history"),
        log=LogSource(broker=broker, topic="ratings", scale=SCALE),
    )
    updates.start()
    return create_app(
        Service(
            predictor=predictor,
            live_updates=updates,
            writer=LogWriter(broker, "ratings"),
            model_sets=registry,
            catalog=CATALOG,
            scale=SCALE,
            access=Access.on("127.0.0.1", ApiKeys(root / "keys")),
            audit_log=AuditLog(root / "audit.jsonl"),
            idempotency=Idempotency(AnsweredWrites(root / "idempotency.db")),
        )
    )


if __name__ == "__main__":
    folder, workers, port = sys.argv[1:]
    serve("127.0.0.1", int(port), partial(make_app, Path(folder)), int(workers))
