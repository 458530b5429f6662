"""An API over model sets whose answers can be worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from events import event
from fake_sets import CATALOG, FakeRegistry, release, teach_real_films_only
from reelstream.api.access import Access
from reelstream.api.app import create_app
from reelstream.api.service import Service
from reelstream.broker import open_broker
from reelstream.models.model_set import ModelSet
from reelstream.ratings.scale import RatingScale
from reelstream.serving.live_histories import LiveHistories, LogEvent
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_follower import LogSource
from reelstream.serving.log_writer import LogWriter
from reelstream.serving.predictor import Predictor
from reelstream.storage.api_keys import ApiKeys
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.snapshot_store import SnapshotStore

RATED = [
    (1, 31, 4.0, 100),
    (1, 7, 2.0, 200),
    (12, 1, 5.0, 300),
    (120, 1, 5.0, 300),
    (2, 100, 1.0, 300),
]
"""User, film, rating, time."""


@pytest.fixture(autouse=True)
def _fakes_catch_up_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    teach_real_films_only(monkeypatch)


@pytest.fixture
def waiting_api(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """`client`, and the parts that answer it. No set is in service, though set 2 is published; the
    threads that follow the stream are not started.
    """
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        broker.ensure_topic("ratings", 1)
        registry, predictor, scale = FakeRegistry(1, 2), Predictor(LiveHistories()), RatingScale()
        updates = LiveUpdates(
            predictor,
            model_sets=registry,
            catalog=CATALOG,
            batches=BatchFolder.in_folder(tmp_path / "batches"),
            snapshots=SnapshotStore.in_folder(tmp_path / "history"),
            log=LogSource(broker=broker, topic="ratings", scale=scale),
        )
        predictor.histories.add(
            LogEvent(event(*row), 0, offset) for offset, row in enumerate(RATED)
        )
        service = Service(
            predictor=predictor,
            live_updates=updates,
            writer=LogWriter(broker, "ratings"),
            model_sets=registry,
            catalog=CATALOG,
            scale=scale,
            access=Access.on("127.0.0.1", ApiKeys(tmp_path / "keys")),
            audit_log=AuditLog(tmp_path / "audit.jsonl"),
        )
        app = create_app(service)
        yield SimpleNamespace(
            client=app.test_client(),
            app=app,
            predictor=predictor,
            registry=registry,
            updates=updates,
            broker=broker,
            service=service,
        )


@pytest.fixture
def api(waiting_api: SimpleNamespace) -> SimpleNamespace:
    """The same with set 2 in service."""
    registry = waiting_api.registry
    waiting_api.predictor.swap(registry.current(), registry.sets[2], {})
    return waiting_api


@pytest.fixture
def real_app(waiting_api: SimpleNamespace, small_model_set: ModelSet) -> Flask:
    """An API with a real set in service, which `waiting_api` has the parts of."""
    waiting_api.predictor.swap(
        release(1), small_model_set, small_model_set.trained_on.trained_end_offsets
    )
    return create_app(replace(waiting_api.service, catalog=small_model_set.catalog))


@pytest.fixture
def client(api: SimpleNamespace) -> FlaskClient:
    """Asks the API without a network."""
    return api.client
