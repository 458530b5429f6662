"""What the process that answers is made of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from reelstream.api.app import create_app
from reelstream.api.idempotency import Idempotency
from reelstream.api.service import Service
from reelstream.cli.factories import access_of, open_log
from reelstream.models.explanation import compile_explanations
from reelstream.models.warm_up import warm_up_set
from reelstream.serving.live_histories import LiveHistories
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_follower import LogSource
from reelstream.serving.log_writer import LogWriter
from reelstream.serving.predictor import Predictor
from reelstream.settings import ServeSettings
from reelstream.storage.answered_writes import AnsweredWrites
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.storage.work_folder import WorkFolder
from reelstream.telemetry import LOG_FORMAT_VARIABLE, configure_logs


def make_app(work: Path, kafka: Mapping[str, str], serve: ServeSettings) -> Flask:
    """The API on a work folder, following it."""
    configure_logs(os.environ.get(LOG_FORMAT_VARIABLE))
    folder = WorkFolder(work)
    binding = folder.binding()
    catalog, registry = folder.read_catalog(), ModelSetStore.in_folder(folder.models)
    predictor, ids = Predictor(LiveHistories()), binding.ids()
    log = open_log(binding, kafka)
    live_updates = LiveUpdates(
        predictor,
        model_sets=registry,
        catalog=catalog,
        batches=BatchFolder.in_folder(folder.batches),
        snapshots=SnapshotStore.in_folder(folder.history),
        log=LogSource(broker=log, topic=binding.topic, scale=binding.scale, ids=ids),
    )
    warm_up = warm_up_set()
    warm_up.prepare()
    compile_explanations(warm_up)
    live_updates.start()
    service = Service(
        predictor=predictor,
        live_updates=live_updates,
        writer=LogWriter(log, binding.topic, ids),
        model_sets=registry,
        catalog=catalog,
        scale=binding.scale,
        ids=ids,
        access=access_of(folder, serve),
        audit_log=AuditLog(folder.audit_log),
        idempotency=Idempotency(AnsweredWrites(folder.answered_writes)),
    )
    return _app(service, serve)


def _app(service: Service, serve: ServeSettings) -> Flask:
    """The application, traced and proxied if that is wanted."""
    app = create_app(service, origins=serve.origins.split(",") if serve.origins else ())
    if serve.tracing:
        # An extra.
        from reelstream.api.tracing import exporting_provider, trace_requests  # noqa: PLC0415

        trace_requests(app, service, exporting_provider())
    if serve.proxies:
        n = serve.proxies
        proxied = ProxyFix(app.wsgi_app, x_for=n, x_proto=n, x_host=n, x_prefix=n)
        app.wsgi_app = proxied  # type: ignore[method-assign]  # as Flask documents it
    return app
