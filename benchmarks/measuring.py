"""Processes of their own, what they use, and how long the sweeps within them take."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

POLL_SECONDS = 0.1
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Usage:
    """What this process and all that it started have used."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of all of them together."""
    peak_gib: dict[str, float] = field(default_factory=dict)
    """Of memory, by role: `python` is this process, `jvm` its Java, `workers` all others together.
    A page that workers share counts for each of them.
    """


def in_own_process(work: Any, *arguments: Any) -> Any:
    """What `work` returns, from a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


@contextmanager
def timed_sweeps(chain: type[Any]) -> Iterator[list[float]]:
    """Collects the seconds of every sweep that a chain of this class makes meanwhile."""
    seconds: list[float] = []
    sweep = chain.sweep

    def timed(self: Any, *arguments: Any) -> None:
        started = time.perf_counter()
        sweep(self, *arguments)
        seconds.append(time.perf_counter() - started)

    with patch.object(chain, "sweep", timed):
        yield seconds


@contextmanager
def watched() -> Iterator[Usage]:
    """Fills in the usage of what is done meanwhile; needs Linux, whose /proc tells it."""
    usage, watch = Usage(), _Watch()
    began, started = watch.look(), time.perf_counter()
    watch.start()
    yield usage
    usage.wall_seconds = time.perf_counter() - started
    usage.cpu_seconds = watch.end() - began
    usage.peak_gib = {role: kib / 2**20 for role, kib in watch.peaks.items()}


class _Watch(threading.Thread):
    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks: defaultdict[str, int] = defaultdict(int)
        """KiB by role."""
        self._ticks: dict[int, int] = {}
        """Of CPU, by process: also of those that have ended."""
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(POLL_SECONDS):
            self.look()

    def end(self) -> float:
        """The last look."""
        self._ended.set()
        self.join()
        return self.look()

    def look(self) -> float:
        """Note what there is; the seconds of CPU so far."""
        workers = 0
        for pid, (name, ticks) in _family().items():
            self._ticks[pid] = ticks
            now, peak = _memory(pid)
            if pid == os.getpid():
                self.peaks["python"] = peak
            elif name == "java":
                self.peaks["jvm"] = max(self.peaks["jvm"], peak)
            else:
                workers += now
        self.peaks["workers"] = max(self.peaks["workers"], workers)
        return sum(self._ticks.values()) / TICKS_A_SECOND


def _family() -> dict[int, tuple[str, int]]:
    """Of this process and all that descend from it: name, and ticks of CPU so far."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    found: dict[int, tuple[str, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = path.read_text().rpartition(")")
        except OSError:  # it has ended meanwhile
            continue
        number, _, name = before.partition(" (")
        numbers = after.split()
        found[int(number)] = name, int(numbers[11]) + int(numbers[12])
        children[int(numbers[1])].append(int(number))
    family = [os.getpid()]
    for pid in family:
        family += children[pid]
    return {pid: found[pid] for pid in family}


def _memory(pid: int) -> tuple[int, int]:
    """KiB in memory now, and at most so far."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    sizes = {name: value for name, _, value in (line.partition(":") for line in lines)}
    now, peak = (int(sizes.get(name, "0 kB").split()[0]) for name in ("VmRSS", "VmHWM"))
    return now, peak
