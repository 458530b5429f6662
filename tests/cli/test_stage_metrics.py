"""What producer, batch writer and trainer tell Prometheus."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest
from command_line import Command
from prometheus_client import REGISTRY

from reelstream.cli.pipeline import Pipeline
from reelstream.cli.stage_metrics import metrics_served
from reelstream.errors import SettingError
from reelstream.ratings.scale import RatingScale
from reelstream.settings import MetricsSettings, Settings, load
from reelstream.storage.work_folder import Binding, WorkFolder


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_stages_count_what_they_do(command: Command, small_dataset: Path) -> None:
    """Rows sent, batches and rows written, sets trained."""
    before = value("reelstream_batch_writer_rows_total", outcome="accepted")
    batches = value("reelstream_batch_close_seconds_count")
    sets = value("reelstream_training_seconds_count", gate="first")
    assert command("produce", "--data", small_dataset, "--work", "w").code == 0
    assert command("batch", "--once", "--work", "w").code == 0
    assert command("train", "--work", "w").code == 0
    assert value("reelstream_producer_rows") == value("reelstream_producer_source_rows") == 3000
    assert value("reelstream_batch_writer_rows_total", outcome="accepted") == before + 3000
    assert value("reelstream_batch_close_seconds_count") == batches + 1
    assert value("reelstream_training_seconds_count", gate="first") == sets + 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_metrics_are_served_while_a_stage_works() -> None:
    """With those of its process; afterwards the port is free again."""
    port = free_port()
    with metrics_served(MetricsSettings(port=port)):
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        with (
            pytest.raises(SettingError, match="--metrics-port"),
            metrics_served(MetricsSettings(port=port)),
        ):
            pass
    assert "process_cpu_seconds_total" in text
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False)


def test_without_a_port_nothing_listens() -> None:
    """The default."""
    with metrics_served(Settings().metrics):
        pass


@pytest.mark.parametrize(
    ("port", "expected"),
    [(None, [None] * 3), (9100, [9100, 9101, 9102]), (0, [0, 0, 0])],
)
def test_a_run_gives_its_stages_neighbouring_ports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int | None, expected: list[int | None]
) -> None:
    """Producer, batch writer, trainer; the API has its own /metrics."""
    pipeline = Pipeline(
        settings=Settings(metrics=MetricsSettings(port=port)),
        folder=WorkFolder(tmp_path),
        binding=Binding(broker="sqlite:log.db", topic="ratings", scale=RatingScale()),
        urls={"API": "http://127.0.0.1:5000"},
    )
    found = {}
    for stage in pipeline.stages():
        for name, value in stage.environment.items():
            monkeypatch.setenv(name, value)
        found[stage.name] = load().metrics.port
    assert [found[name] for name in ("produce", "batch", "train")] == expected
