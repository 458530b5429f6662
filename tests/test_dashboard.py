"""The Grafana dashboard, the Prometheus configuration and the page on operations name metrics that
exist.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from fake_sets import CATALOG, FakeRegistry
from reelstream.api.access import Access
from reelstream.api.app import create_app
from reelstream.api.service import Service
from reelstream.broker import open_broker
from reelstream.ingest import batch_writer, producer  # noqa: F401  (they register their metrics)
from reelstream.ratings.scale import RatingScale
from reelstream.serving.live_histories import LiveHistories
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.log_follower import LogSource
from reelstream.serving.log_writer import LogWriter
from reelstream.serving.predictor import Predictor
from reelstream.storage.api_keys import ApiKeys
from reelstream.storage.audit_log import AuditLog
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.training import trainer  # noqa: F401

ROOT = Path(__file__).parent.parent
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/reelstream.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]),
]
SUFFIXES = {
    "counter": ["_total"],
    "histogram": ["_bucket", "_count", "_sum"],
    "summary": ["_count", "_sum"],
}
OF_PROMETHEUS = {"up"}
"""What Prometheus itself says of what it scrapes."""


@pytest.fixture
def metrics(tmp_path: Path) -> set[str]:
    """The names of everything that the stages and the API can be scraped for."""
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        registry, predictor, scale = FakeRegistry(), Predictor(LiveHistories()), RatingScale()
        batches, snapshots = (
            BatchFolder.in_folder(tmp_path / "batches"),
            SnapshotStore.in_folder(tmp_path / "history"),
        )
        updates = LiveUpdates(
            predictor,
            model_sets=registry,
            catalog=CATALOG,
            batches=batches,
            snapshots=snapshots,
            log=LogSource(broker=broker, topic="ratings", scale=scale),
        )
        app = create_app(
            Service(
                predictor=predictor,
                live_updates=updates,
                writer=LogWriter(broker, "ratings"),
                model_sets=registry,
                catalog=CATALOG,
                scale=scale,
                access=Access.on("127.0.0.1", ApiKeys(tmp_path / "keys")),
                audit_log=AuditLog(tmp_path / "audit.jsonl"),
            )
        )
        text = app.test_client().get("/metrics").text + generate_latest(REGISTRY).decode()
    return {
        family.name + suffix
        for family in text_string_to_metric_families(text)
        for suffix in SUFFIXES.get(family.type, [""])
        if not family.name.endswith("_created")
    }


def families(names: set[str]) -> set[str]:
    """Those of reelstream, a histogram by its own name."""
    return {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for name in names
        if name.startswith("reelstream_")
    }


def names_in(query: str) -> set[str]:
    """The metrics that a PromQL expression asks for."""
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        if isinstance(node, promql_parser.MatrixSelector):
            found.add(node.vector_selector.name)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def test_the_names_in_an_expression_are_found() -> None:
    """Wherever they stand in it."""
    query = 'sum by (le) (rate(a_bucket[5m])) / max(b{x="1"} - c) > 0'
    assert names_in(query) == {"a_bucket", "b", "c"}


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_of_the_dashboard_asks_for_metrics_that_exist(
    metrics: set[str], query: str
) -> None:
    """Else a panel stays empty, and nobody knows why."""
    names = names_in(query)
    assert names
    assert names <= metrics | OF_PROMETHEUS


def test_every_metric_of_reelstream_is_on_the_dashboard(metrics: set[str]) -> None:
    """A metric that nobody looks at is not worth its upkeep."""
    shown = {name for query in QUERIES for name in names_in(query)}
    assert families(metrics) == families(shown)


def test_panels_stand_side_by_side() -> None:
    """Each has an id and a place of its own."""
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_the_dashboard_asks_the_data_source_that_is_provisioned() -> None:
    """By its uid."""
    (source,) = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}


def test_prometheus_scrapes_each_stage_under_its_name() -> None:
    """The dashboard's legends name services."""
    jobs = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    targets = {
        config["labels"]["service"]: config["targets"]
        for job in jobs
        for config in job["static_configs"]
    }
    assert targets.keys() == {"api", "producer", "writer", "trainer"}
    for service, (target,) in targets.items():
        assert target.startswith(f"{service}:")


def test_the_page_on_operations_lists_the_metrics_and_no_others(metrics: set[str]) -> None:
    """In the table of `Watching it`."""
    page = (ROOT / "docs/operations.md").read_text().split("## Watching it")[1].split("\n## ")[0]
    listed = set(re.findall(r"`(reelstream_[a-z_]+)`", page))
    assert listed == families(metrics)
