"""A standalone Spark cluster on this machine: a master and one worker, so that the driver is a
process of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common import free_ports

START_SECONDS = 60


@contextmanager
def standalone(folder: Path, cores: int, memory: str) -> Iterator[str]:
    """The URL of a master whose one worker has so many cores and so much memory (`2g`); both write
    into `folder`.
    """
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    url = f"spark://127.0.0.1:{port}"
    listens = ["--host", "127.0.0.1", "--webui-port", "0"]
    started = [_start(folder, "master.Master", *listens, "--port", str(port))]
    try:
        _wait_for(port, started[0])
        room = ["--cores", str(cores), "--memory", memory, "--work-dir", str(folder / "work")]
        started.append(_start(folder, "worker.Worker", *listens, *room, url))
        yield url
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _start(folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    program = str(Path(sys.executable).parent / "spark-class")
    with open(folder / f"{name}.log", "wb") as log:
        return subprocess.Popen(
            [program, f"org.apache.spark.deploy.{name}", *arguments],
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": sys.executable},
            stdout=log,
            stderr=log,
        )


def _wait_for(port: int, master: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline or master.poll() is not None:
                raise
            time.sleep(0.2)
        else:
            return
