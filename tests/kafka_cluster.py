"""Kafka brokers of the tests: each a process of its own, on this machine, that can be killed and
started again.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

PROGRAM = Path(__file__).parent.parent / "tools" / "local_kafka.py"
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
"""A test run that is killed leaves no broker behind."""
KAFKA_MARKS = (pytest.mark.java, pytest.mark.xdist_group("kafka"))
"""Of a parameter that asks for `kafka_cluster` by name; `conftest.py` marks all others."""
START_SECONDS = 180
"""The first start on a machine fetches Kafka's jars."""


class KafkaCluster:
    """One or more brokers in `with`; a node is named by its number: 1, 2, 3."""

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self.folder = folder
        ports = free_ports(2 * nodes)
        self._ports = dict(enumerate(ports[:nodes], start=1))
        self._controllers = dict(enumerate(ports[nodes:], start=1))
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def servers(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    @property
    def url(self) -> str:
        return f"kafka://{self.servers}"

    def __enter__(self) -> Self:
        for node in self._ports:
            self.start(node)
        self.await_ready()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for node in list(self._processes):
            self.kill(node)

    def start(self, node: int = 1) -> None:
        """Start a broker, on the data that it left if it ran before."""
        voters = ",".join(f"{each}@127.0.0.1:{port}" for each, port in self._controllers.items())
        data = self.folder / f"node-{node}"
        data.mkdir(parents=True, exist_ok=True)
        arguments = ["--data", data, "--node", node, "--voters", voters, "--heap", "256m"]
        arguments += ["--port", self._ports[node], "--controller-port", self._controllers[node]]
        with open(data / "broker.txt", "ab") as output:
            self._processes[node] = subprocess.Popen(
                [*DIES_WITH_US, sys.executable, PROGRAM, *map(str, arguments)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def kill(self, node: int = 1) -> None:
        """kill -9: the broker has no time for anything."""
        process = self._processes.pop(node)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def await_ready(self) -> None:
        """Return when every broker that was started answers."""
        deadline = time.monotonic() + START_SECONDS
        client = AdminClient({"bootstrap.servers": self.servers, "log_level": 0})
        while True:
            for node, process in self._processes.items():
                if process.poll() is not None:
                    raise RuntimeError((self.folder / f"node-{node}" / "broker.txt").read_text())
            try:
                if len(client.list_topics(timeout=1).brokers) == len(self._processes):
                    return
            except KafkaException:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"no broker at {self.servers}")
            time.sleep(0.1)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def why_not() -> str | None:
    """Why this machine cannot run a broker; None when it can."""
    return (
        None
        if shutil.which("java")
        else "Kafka's broker needs Java 17: apt-get install openjdk-17-jre-headless"
    )


def kcat(servers: str, *arguments: str, text: bytes) -> None:
    """Produce with Debian's kcat: a client that knows nothing of reelstream."""
    command: Sequence[str] = ["kcat", "-P", "-b", servers, *arguments]
    subprocess.run(command, input=text, check=True, timeout=60)
