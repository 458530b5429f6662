"""The whole stack in containers, from an empty engine to a clean audit: `make compose-test`.

It needs a running Docker engine, so pytest collects it only when it is named.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Producer

ROOT = Path(__file__).parents[2]
PROJECT = "reelstream-test"
SETTINGS = """
REELSTREAM_DATA_RATE=2000
REELSTREAM_BATCH_ROWS=30000
REELSTREAM_BATCH_SECONDS=30
REELSTREAM_SPARK_ONE_TASK_RATINGS=0
"""
"""Slow enough that ratings still arrive while a container is killed; on Spark a fit is one of many
tasks.
"""
ON_SPARK = ("--file", "compose.yaml", "--file", "compose.spark.yaml")
SHOWN = """
from pathlib import Path
import reelstream.ui
from streamlit.testing.v1 import AppTest

path = Path(reelstream.ui.__file__).parent / "page.py"
page = AppTest.from_file(str(path), default_timeout=60).run()
print(*[metric.label for metric in page.metric], *[error.value for error in page.error], sep="\\n")
"""
"""The page, run in its container by Streamlit's own test driver: the labels of its figures, and its
errors.
"""
FIRST_NEW_USER = 1_000_001
MAX_WAIT = 600.0
"""Seconds; a stack that works needs a fraction of it."""


class Stack:
    """The stack of compose.yaml under a name and on ports of its own."""

    def __init__(self, settings: Path) -> None:
        self._ports = {
            name: free_port() for name in ("API_PORT", "PAGE_PORT", "KAFKA_PORT", "SPARK_PORT")
        }
        chosen = {name: str(port) for name, port in self._ports.items()}
        self._environment = {**os.environ, **chosen, "SETTINGS": str(settings)}
        self.api = f"http://127.0.0.1:{self._ports['API_PORT']}"
        self.page = f"http://127.0.0.1:{self._ports['PAGE_PORT']}"
        self.spark = f"http://127.0.0.1:{self._ports['SPARK_PORT']}"
        self.kafka = f"127.0.0.1:{self._ports['KAFKA_PORT']}"

    def compose(self, *arguments: str) -> str:
        """What `docker compose` prints; its messages go to the terminal."""
        command = ["docker", "compose", "--project-name", PROJECT, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self._environment, stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def ask(self, path: str, **query: Any) -> Any:
        """The API's answer, asked from this machine; None when there is none yet."""
        try:
            response = httpx.get(
                f"{self.api}{path}", params=query, headers=self._key(), trust_env=False
            )
        except httpx.TransportError:
            return None
        return response.json() if response.is_success else None

    def _key(self) -> dict[str, str]:
        """A header with the page's key; no header while there is none."""
        try:
            key = self.compose("exec", "-T", "api", "cat", "/keys/page")
        except subprocess.CalledProcessError:
            return {}
        return {"Authorization": f"Bearer {key.strip()}"}

    def model_set(self) -> int:
        """The set in service, 0 before the first."""
        health = self.ask("/health/ready") or {}
        return health.get("model_set") or 0

    def engine(self) -> str | None:
        """What fitted the set in service."""
        sets = self.ask("/v1/models")["model_sets"]
        return next((each["engine"] for each in sets if each["in_service"]), None)

    def cluster(self) -> Any:
        """What Spark's master knows, asked from this machine."""
        return httpx.get(f"{self.spark}/json/", trust_env=False).json()

    def audit(self) -> Any:
        """The totals, and what does not add up."""
        return json.loads(
            self.compose("exec", "-T", "api", "sh", "-c", "reelstream audit --json || true")
        )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack on an engine that holds nothing of it, and that holds nothing of it afterwards."""
    settings = tmp_path_factory.mktemp("settings") / "stack.env"
    settings.write_text(SETTINGS)
    stack = Stack(settings)
    stack.compose(*ON_SPARK, "down", "--volumes", "--remove-orphans")
    try:
        stack.compose("up", "--build", "--detach")
        yield stack
    finally:
        print(stack.compose(*ON_SPARK, "logs", "--no-color", "--tail", "50"))
        stack.compose(*ON_SPARK, "down", "--volumes")


def test_three_sets_through_kills_and_a_clean_audit(stack: Stack) -> None:
    """Ratings flow from producer to prediction through Kafka, and killed containers lose and double
    none.
    """
    wait_until(lambda: stack.model_set() >= 1)
    stack.compose("kill", "--signal", "SIGKILL", "kafka", "producer", "writer", "trainer")
    stack.compose("up", "--detach")
    wait_until(lambda: stack.model_set() >= 3)
    answer = stack.ask("/predict_regression", userId=1, movieId=1)
    assert answer["model_set"] >= 3
    assert answer["interval"][0] <= answer["prediction"] <= answer["interval"][1]

    wait_until(
        lambda: (
            stack.compose("ps", "--all", "--format", "{{.State}}", "producer").strip() == "exited"
        )
    )
    wait_until(lambda: stack.audit()["totals"]["waiting"] == 0)
    report = stack.audit()
    assert report["problems"] == []
    assert report["totals"]["batched_rows"] >= 100_000
    assert (
        report["totals"]["log_records"]
        == report["totals"]["batched_rows"] + report["totals"]["repeats"]
    )


def test_the_page_shows_the_stream(stack: Stack) -> None:
    """The page of its own small image reaches the API by its name, with its key, and runs without
    an error.
    """
    wait_until(lambda: stack.model_set() >= 1)
    wait_until(lambda: httpx.get(f"{stack.page}/_stcore/health", trust_env=False).is_success)
    shown = stack.compose(
        "exec", "-T", "-e", "REELSTREAM_UI_API=http://api:5000", "page", "python", "-c", SHOWN
    )
    assert "Model set in service" in shown.splitlines()


def test_a_container_cannot_write_beside_its_volumes(stack: Stack) -> None:
    """Stages run as a user, on a file system that is read-only."""
    check_rights(stack, "trainer")


def test_nothing_is_compiled_in_a_container(stack: Stack) -> None:
    """The image brings every compiled function that trainer and API use."""
    wait_until(lambda: stack.model_set() >= 3)
    new = "find /var/cache/reelstream -name '*.nbc' -newer /work/work.json"
    assert stack.compose("exec", "-T", "trainer", "sh", "-c", new) == ""


def test_spark_takes_the_trainers_place(stack: Stack) -> None:
    """The next set is made on a standalone cluster, of ratings that this machine sends to Kafka."""
    wait_until(lambda: stack.model_set() >= 3)
    assert stack.engine() == "local"
    stack.compose(*ON_SPARK, "up", "--build", "--detach")
    for container in ("spark-master", "spark-worker", "trainer"):
        check_rights(stack, container)
    wait_until(lambda: [app["name"] for app in stack.cluster()["activeapps"]] == ["reelstream"])
    assert len(stack.cluster()["workers"]) == 1

    batched = stack.audit()["totals"]["batched_rows"]
    send_likes(stack.kafka, users=100, movies=10)
    wait_until(lambda: stack.engine() == "spark")
    answer = stack.ask("/predict_regression", userId=FIRST_NEW_USER, movieId=100)
    assert answer["model_set"] >= 4
    assert answer["interval"][0] <= answer["prediction"] <= answer["interval"][1]
    report = stack.audit()
    assert report["problems"] == []
    assert report["totals"]["batched_rows"] == batched + 1000


def test_the_images_are_small() -> None:
    """Under 900 MB each, without Spark."""
    for image in ("reelstream", "reelstream-page"):
        size = subprocess.check_output(
            ["docker", "image", "inspect", "--format", "{{.Size}}", image], text=True
        )
        assert int(size) < 900_000_000, image


def check_rights(stack: Stack, container: str) -> None:
    """It runs as a user, and cannot write beside its volumes."""
    assert stack.compose(*ON_SPARK, "exec", "-T", container, "id", "-u").strip() == "10001"
    with pytest.raises(subprocess.CalledProcessError):
        stack.compose(*ON_SPARK, "exec", "-T", container, "touch", "/home/reelstream/file")


def send_likes(kafka: str, users: int, movies: int) -> None:
    """Users that are new all like the first films."""
    producer = Producer({"bootstrap.servers": kafka})
    for user in range(FIRST_NEW_USER, FIRST_NEW_USER + users):
        for movie in range(1, movies + 1):
            producer.produce(
                "ratings", json.dumps({"userId": user, "movieId": movie, "rating": 4.5})
            )
    assert producer.flush(60) == 0


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + MAX_WAIT
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
