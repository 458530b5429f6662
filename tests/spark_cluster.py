"""A Spark cluster of the tests: a standalone master and two workers, each a process of its own on
this machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyspark

import reelstream
from kafka_cluster import DIES_WITH_US, free_ports

WORKERS = 2
QUICK_START = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""These processes end before a better compiler would pay."""
MAX_SECONDS = 600
"""Far more than anything here takes."""


class SparkCluster:
    """Two workers of two cores each in `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port = free_ports(1)[0]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def master(self) -> str:
        return f"spark://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._start("master", "--host", "127.0.0.1", "--port", self._port)
        self._await("master", "I have been elected leader")
        for number in range(1, WORKERS + 1):
            name = f"worker-{number}"
            self._start(name, "--host", "127.0.0.1", "--cores", 2, "--memory", "2g", self.master)
        for number in range(1, WORKERS + 1):
            self._await(f"worker-{number}", "Successfully registered with master")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes.values()):
            os.killpg(process.pid, signal.SIGKILL)  # a worker's executors are of its group
            process.wait()

    @property
    def conf_without_source(self) -> dict[str, str]:
        """Spark's settings of an application of one executor, which compiles for itself what is
        not installed, and that leaves room for another application.
        """
        return {
            "spark.cores.max": "1",
            "spark.executor.cores": "1",
            "spark.executor.memory": "640m",
            "spark.executor.extraJavaOptions": QUICK_START,
            "spark.driver.extraJavaOptions": QUICK_START,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": "2",
            "spark.ui.enabled": "false",
            "spark.task.maxFailures": "2",
        }

    @property
    def conf(self) -> dict[str, str]:
        """The same, with an executor on each worker, which has this Python and this source."""
        source = Path(reelstream.__file__).parent.parent
        return self.conf_without_source | {
            "spark.cores.max": str(WORKERS),
            "spark.executorEnv.PYTHONPATH": str(source),
            "spark.pyspark.python": sys.executable,
        }

    def executors(self) -> list[int]:
        """The ids of the processes that work for an application now."""
        workers = {process.pid for process in self._processes.values()}
        return [pid for pid in _processes_of(workers) if pid not in workers]

    def kill_executors(self) -> None:
        """kill -9: the executors have no time for anything."""
        for pid in self.executors():
            os.kill(pid, signal.SIGKILL)

    def _start(self, name: str, *arguments: object) -> None:
        """`master` or `worker-N`. It knows nothing of the tests' packages: each application brings
        or names its own.
        """
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_WORKER_DIR": str(self.folder / name)}
        environment |= {
            "SPARK_DAEMON_JAVA_OPTS": QUICK_START,
            "SPARK_MASTER_OPTS": "-Dspark.master.rest.enabled=false",
        }
        role = name.partition("-")[0]
        program = f"org.apache.spark.deploy.{role}.{role.capitalize()}"
        command = [
            *DIES_WITH_US,
            spark_program("spark-class"),
            program,
            "--webui-port",
            "0",
            *map(str, arguments),
        ]
        with open(self._log(name), "wb") as log:
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, start_new_session=True
            )

    def _await(self, name: str, sign: str) -> None:
        """Until the process has said so."""
        deadline = time.monotonic() + MAX_SECONDS
        while sign not in self._log(name).read_text():
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the {name} did not start: {self._log(name).read_text()}")
            time.sleep(0.1)

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.txt"


def spark_program(name: str) -> str:
    """A program of the pyspark package."""
    return str(Path(pyspark.__file__).parent / "bin" / name)


def _processes_of(groups: set[int]) -> Iterator[int]:
    """The ids of all processes in these groups that run Java."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = stat.read_text().partition("(")[2].rsplit(")", 1)
        except OSError:
            continue  # it has just ended
        if name == "java" and int(fields.split()[2]) in groups:
            yield int(stat.parent.name)
