"""What every benchmark does alike: find its data, name the machine, judge its bars, write its
result.

A benchmark is one file and one question. `finish` writes `results/NAME.json` and gives the exit
code: 0 when every bar is met, 1 when one is missed. Wrong usage and missing data exit with 2.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reelstream.compute.native_threads import limit_native_threads

limit_native_threads()  # before numpy: what is measured is a process of ours

from reelstream.datasets import Dataset, detect  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
DATA_VARIABLE = "REELSTREAM_TEST_DATA"
PACKAGES = ("reelstream", "numpy", "scipy", "numba", "llvmlite", "scikit-learn", "polars")

STARTED_LOAD = os.getloadavg()[0]
"""Of the last minute, before the benchmark itself puts load on the machine."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One promise, and whether it was kept."""

    name: str
    value: float
    limit: str
    """As a person reads it: `<= 8`."""
    passed: bool


def at_most(name: str, value: float, limit: float) -> Bar:
    """A bar that `value` must not exceed."""
    return Bar(name, value, f"<= {limit:g}", value <= limit)


def at_least(name: str, value: float, limit: float) -> Bar:
    """A bar that `value` must reach."""
    return Bar(name, value, f">= {limit:g}", value >= limit)


def more_than(name: str, value: float, limit: float) -> Bar:
    """A bar that `value` must pass."""
    return Bar(name, value, f"> {limit:g}", value > limit)


def between(name: str, value: float, low: float, high: float) -> Bar:
    """A bar with two sides, both included."""
    return Bar(name, value, f"{low:g} to {high:g}", low <= value <= high)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows `--data`; `description` is the benchmark's docstring."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help=f"folder that holds ml-latest-small/; default: ${DATA_VARIABLE}",
    )
    return made


def data_set(given: Path | None, name: str = "ml-latest-small") -> Dataset:
    """The real data set `name`; ends the process with code 2 and a sentence when it is not
    there.
    """
    root = given or (Path(os.environ[DATA_VARIABLE]) if DATA_VARIABLE in os.environ else None)
    if root is None or not (root / name).is_dir():
        where = f"not in {root}" if root else f"nowhere: {DATA_VARIABLE} is not set"
        print(
            f"{name} is {where}. Name the folder that holds {name}/ with --data DIR or"
            f" {DATA_VARIABLE}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    return detect(root / name)


def finish(
    name: str,
    results: Mapping[str, Any],
    bars: Sequence[Bar],
    *,
    packages: Sequence[str] = (),
    keep: bool = True,
) -> int:
    """Print the bars, write the result (unless it is only a try: `keep` False), and say how the
    process should end.
    """
    result = {
        "format": 1,
        "name": name,
        "measured_at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine(),
        "versions": versions([*PACKAGES, *packages]),
        "commit": commit(),
        "bars": [asdict(bar) for bar in bars],
        "results": results,
    }
    if keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(
            json.dumps(_rounded(result), indent=1, ensure_ascii=False) + "\n"
        )
    for bar in bars:
        print(f"{'met   ' if bar.passed else 'MISSED'} {bar.name}: {bar.value:.4g} ({bar.limit})")
    return 0 if all(bar.passed for bar in bars) else 1


def read_result(name: str) -> dict[str, Any] | None:
    """The result that `finish` wrote last, if there is one."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def machine() -> dict[str, Any]:
    """The machine in general terms: nothing that says whose it is."""
    release = platform.freedesktop_os_release() if sys.platform == "linux" else {}
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "os": release.get("PRETTY_NAME") or platform.system(),
        "load_before": round(STARTED_LOAD, 2),
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Of Python and of those packages that are installed."""
    found = {"python": platform.python_version()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """What was measured; `+changes` when the source differed from the commit."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return (
        f"{head}+changes" if _git("status", "--porcelain", "--", "src", "benchmarks/*.py") else head
    )


def free_ports(count: int) -> list[int]:
    """Different ports of this machine that nobody listens on."""
    with ExitStack() as probes:
        sockets = [probes.enter_context(socket.socket()) for _ in range(count)]
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in sockets]


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _rounded(value: Any) -> Any:
    """Five digits are more than any of these figures deserves, and keep the files readable."""
    match value:
        case float():
            return float(f"{value:.5g}")
        case dict():
            return {key: _rounded(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_rounded(inner) for inner in value]
        case _:
            return value
