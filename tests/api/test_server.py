"""The server as a process: real sets, real HTTP, real signals."""

from __future__ import annotations

import itertools
import os
import shutil
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
    server = Server("swap_server.py", str(world.root), "1")
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


@pytest.fixture
def two_workers(world: TrainingWorld, tmp_path: Path) -> Iterator[Server]:
    """On these sets, and a log that is still empty."""
    shutil.copytree(world.root / "models", tmp_path / "models")
    with open_broker(f"sqlite:{tmp_path / 'log.db'}") as broker:
        broker.ensure_topic("ratings", 2)
    server = Server("swap_server.py", str(tmp_path), "2")
    until(lambda: len(workers_of(server)) == 2 and len(answering(server)) == 2)
    yield server
    server.process.terminate()
    assert server.process.wait(timeout=120) == 0


def workers_of(server: Server) -> set[int]:
    """The processes that hold the port, besides their supervisor."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    return {
        int(child)
        for child in children.split()
        if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()
    }


def answering(server: Server) -> set[str]:
    """What tells the workers apart that answer new connections: the starts of their processes."""
    starts = set()
    for _ in range(20):
        text = ask(server, "GET", "/metrics").text
        starts |= {
            line for line in text.splitlines() if line.startswith("process_start_time_seconds")
        }
    return starts


def ask(server: Server, method: str, path: str, **content: Any) -> httpx.Response:
    """One request on a connection of its own, which the kernel gives to either worker."""
    with httpx.Client(base_url=server.client.base_url, trust_env=False, timeout=30) as client:
        return client.request(method, path, **content)


def test_two_workers_are_one_server_and_one_may_die(two_workers: Server) -> None:
    """A token and an Idempotency-Key of one hold at the other. When one is killed, the other
    answers meanwhile, and a new one takes the place.
    """
    rating = {"userId": 4321, "movieId": 5, "rating": 4.5}
    headers = {"Idempotency-Key": "once"}
    written = [
        ask(two_workers, "POST", "/v1/ratings", json=rating, headers=headers) for _ in range(10)
    ]
    assert {each.status_code for each in written} == {202}
    assert len({each.json()["token"] for each in written}) == 1
    path = f"/v1/users/4321?after={written[0].json()['token']}&timeout=10"
    seen = [ask(two_workers, "GET", path).json() for _ in range(10)]
    assert [each["total"] for each in seen] == [1] * 10

    before = workers_of(two_workers)
    os.kill(min(before), signal.SIGKILL)
    until(lambda: min(before) not in workers_of(two_workers))
    for _ in range(50):
        assert ask(two_workers, "GET", path).json()["total"] == 1
    until(lambda: len(answering(two_workers)) == 2)
    again = ask(two_workers, "POST", "/v1/ratings", json=rating, headers=headers)
    assert again.json()["token"] == written[0].json()["token"]
