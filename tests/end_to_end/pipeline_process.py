"""A `reelstream run` as a process, as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

MAX_SECONDS = 240
"""Far more than anything here takes: a test that waits so long has failed."""


def reelstream(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """One command, run to its end."""
    return subprocess.run(
        _command(arguments),
        capture_output=True,
        text=True,
        timeout=MAX_SECONDS,
        cwd=cwd,
        check=False,
    )


def start(*arguments: object) -> subprocess.Popen[str]:
    """One command, started; it reads nothing, and its output is one stream."""
    return subprocess.Popen(
        _command(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def audit(work: Path) -> dict[str, Any]:
    """The audit's totals. Fails when anything does not add up."""
    done = reelstream("audit", "--work", work, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    totals: dict[str, Any] = json.loads(done.stdout)["totals"]
    return totals


def processes_of(work: Path) -> dict[int, str]:
    """Process id -> command line, of every running process that names this work folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(work) in words and state != "Z":
            found[int(entry.name)] = " ".join(words)
    return found


def end(process: subprocess.Popen[str]) -> None:
    """Make sure that nothing is left of a run, whatever its test did."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
    process.communicate()


def _command(arguments: tuple[object, ...]) -> list[str]:
    return [sys.executable, "-m", "reelstream", *map(str, arguments)]
