"""The server as a process: real sets, real HTTP, real signals."""

from __future__ import annotations

import itertools
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mean_engine import CATALOG, TrainingWorld, close_batch
from reelstream.broker import open_broker
from reelstream.cli.preflight import free_port

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]

SETS = (1, 2, 3, 4, 5)
PAIRS = [(user, item) for user in (3, 4, 100_000) for item in (5, 6, 7)]
"""The last user is unknown."""


def until(condition: Callable[[], object]) -> None:
    """Wait for another process; the patience is for slow machines only."""
    patience = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < patience, "it never came true"
        time.sleep(0.02)


class Server:
    """A server in a process of its own, and a client of it."""

    def __init__(self, script: str, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        path = Path(__file__).with_name(script)
        self.process = subprocess.Popen([sys.executable, str(path), *arguments, str(self.port)])
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=30
        )
        try:
            until(lambda: self.number() is not None)
        except AssertionError:
            self.process.kill()
            raise

    def number(self) -> int | None:
        """The set in service; None while nothing answers."""
        try:
            return self.client.get("/health/ready").json()["model_set"]
        except httpx.TransportError:
            return None

    def listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TrainingWorld:
    """Five batches, and a set of each."""
    world = TrainingWorld(tmp_path_factory.mktemp("swap"))
    for _ in SETS:
        close_batch(world.batches, rows=400)
    assert [release.number for release in world.trainer.run_once()] == list(SETS)
    with open_broker(f"sqlite:{world.root / 'log.db'}") as broker:
        broker.ensure_topic("ratings", 2)
    return world


@pytest.fixture(scope="module")
def server(world: TrainingWorld) -> Iterator[Server]:
    """A server with models, which ends in peace when it is told to."""
    server = Server("swap_server.py", str(world.root))
    yield server
    server.process.terminate()
    assert server.process.wait(timeout=120) == 0


@pytest.fixture
def plain_server() -> Iterator[Server]:
    server = Server("plain_server.py")
    yield server
    server.process.kill()
    server.process.wait()


def expected_answers(world: TrainingWorld) -> dict[tuple[int, int, int], tuple[Any, ...]]:
    """(set, user, film) -> what the set itself says, asked without a server."""
    history, _ = world.histories.current()
    expected = {}
    for number in SETS:
        model_set = world.registry.load(number, CATALOG)
        for user, item in PAIRS:
            ratings = history.of_user(user)
            state, segment = model_set.fold_in(ratings), model_set.segment_of(ratings)
            now = int(time.time())
            said = model_set.predict(state, np.array([item]), now)
            expected[number, user, item] = (
                round(float(said.mean[0]), 4),
                round(float(said.like_probability[0]), 4),
                segment.label,
                len(ratings),
            )
    return expected


def test_five_swaps_under_load_fail_no_request_and_mix_no_sets(
    world: TrainingWorld, server: Server
) -> None:
    """Every answer of four clients is, in all its parts, what the set that it names says by
    itself.
    """
    expected = expected_answers(world)
    assert len({expected[number, 3, 5][0] for number in SETS}) == len(SETS), (
        "the sets can be told apart"
    )
    done = threading.Event()

    def ask(client_number: int) -> set[int]:
        """The sets that answered this client."""
        sets = set()
        queries = [{"userId": user, "movieId": item} for user, item in PAIRS]
        with httpx.Client(base_url=server.client.base_url, trust_env=False, timeout=30) as client:
            for user, item in itertools.cycle(PAIRS[client_number:] + PAIRS[:client_number]):
                if done.is_set():
                    return sets
                full = client.get(f"/v1/users/{user}/items/{item}")
                listed = client.post("/predict_regression", json=queries)
                assert (full.status_code, listed.status_code) == (200, 200), full.text + listed.text
                answer, number = full.json(), full.json()["model_set"]
                assert expected[number, user, item] == (
                    answer["regression"]["prediction"],
                    answer["classification"]["probability"],
                    answer["clustering"]["label"],
                    answer["basis"]["ratings"],
                )
                (of_list,) = {one["model_set"] for one in listed.json()}
                predictions = [one["prediction"] for one in listed.json()]
                assert predictions == [expected[of_list, *pair][0] for pair in PAIRS]
                sets |= {number, of_list}
        return sets

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, number) for number in range(4)]
        try:
            for number in SETS:
                world.registry.activate(number)
                until(
                    lambda wanted=number: (
                        server.number() == wanted or any(asked.done() for asked in asking)
                    )
                )
                time.sleep(0.1)  # some queries to this set
        finally:
            done.set()
        answered = [asked.result() for asked in asking]
    assert set.union(*answered) == set(SETS)


def test_a_damaged_set_is_refused_by_name_and_the_old_one_answers(
    world: TrainingWorld, server: Server
) -> None:
    """Until another is activated."""
    world.registry.activate(5)
    until(lambda: server.number() == 5)
    file = next((world.root / "models" / "regression_model_set_4").glob("*.npy"))
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    world.registry.activate(4)
    until(lambda: "model set 4 is damaged" in server.client.get("/health/ready").text)
    assert server.client.get("/predict_clustering?userId=1").json()["model_set"] == 5
    world.registry.activate(3)
    until(lambda: "is damaged" not in server.client.get("/health/ready").text)
    assert server.number() == 3
    file.write_bytes(content)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_server_and_worker(plain_server: Server, number: signal.Signals) -> None:
    """With exit code 0, and the port is free again."""
    plain_server.process.send_signal(number)
    assert plain_server.process.wait(timeout=120) == 0
    assert not plain_server.listens()


def test_a_killed_server_leaves_no_worker_that_holds_the_port(plain_server: Server) -> None:
    """The next one can start."""
    plain_server.process.kill()
    plain_server.process.wait()
    until(lambda: not plain_server.listens())
    free_port("127.0.0.1", plain_server.port, "--port")
