"""A small stream with two model sets, its API and its page: real processes, as `reelstream run`
starts them, the API apart so that a test can end it and start it again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from reelstream.cli import preflight
from reelstream.client import ApiError, wait_until_answers

MAX_SECONDS = 240
"""Far more than anything here takes."""


def free_port() -> int:
    return preflight.free_port("127.0.0.1", 0, "--port")


@dataclass
class RunningSystem:
    """One work folder, and the processes on it."""

    work: Path
    api_port: int = field(default_factory=free_port)
    page_port: int = field(default_factory=free_port)
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def page_url(self) -> str:
        return f"http://127.0.0.1:{self.page_port}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def train(self, dataset: Path) -> None:
        """Two batches, two sets, and then everything ends; and a key for the page."""
        self._run(
            "run",
            *("--data", dataset, "--batch-rows", 1500, "--until-set", 2),
            *("--no-ui", "--port", 0),
        )
        scopes = ("--scope", "read", "--scope", "write", "--scope", "admin")
        self._run("keys", "create", "page", *scopes, "--file", self.work / "page.key")

    def _run(self, command: str, *options: object) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "reelstream", command, *map(str, options), "--work", self.work],
            capture_output=True,
            text=True,
            timeout=MAX_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start_api(self) -> None:
        """Serve; returns when queries are answered."""
        self._start("api", self._command("serve", "--port", self.api_port))
        self._wait("api", f"{self.api_url}/health/ready")

    def stop_api(self) -> None:
        self._stop("api")

    def start_page(self) -> None:
        """Serve the page; returns when it can be opened."""
        self._start("page", self._command("ui", "--api", self.api_url, "--port", self.page_port))
        self._wait("page", f"{self.page_url}/_stcore/health")

    def stop(self) -> None:
        for name in list(self._processes):
            self._stop(name)

    def resident_mb(self, name: str) -> float:
        """Memory of the process `api` or `page`."""
        status = Path(f"/proc/{self._processes[name].pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def _command(self, command: str, *options: object) -> list[str]:
        return [
            *(sys.executable, "-m", "reelstream", command, "--work", str(self.work)),
            *map(str, options),
        ]

    def _start(self, name: str, command: list[str]) -> None:
        with open(self._log(name), "ab") as log:
            self._processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.work.parent, env=os.environ
            )

    def _stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(MAX_SECONDS)

    def _wait(self, name: str, url: str) -> None:
        """Return when `url` answers; fail with the process's own words when it ends first."""
        process = self._processes[name]
        try:
            wait_until_answers(url, seconds=MAX_SECONDS, is_running=lambda: process.poll() is None)
        except ApiError as error:
            raise AssertionError(f"{name}: {error} {self._log(name).read_text()}") from error

    def _log(self, name: str) -> Path:
        return self.work.parent / f"{name}.log"
