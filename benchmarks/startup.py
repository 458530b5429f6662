"""How long does a fresh start take: from nothing compiled and nothing stored to model set 3
answering?

`reelstream run --until-set 3`, page included, with an empty work folder and a cold numba cache, on
the two real data sets and a simulated one of their size. The clock stops when the run has ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import Bar, at_most, between, data_set, finish, free_ports, parser
from reelstream.datasets import Dataset, detect, simulate

LONGEST = 40.0
"""Seconds to set 3 answering."""


def main() -> int:
    """Measure every data set in turn."""
    arguments = parser(__doc__).parse_args()
    real = [data_set(arguments.data, name) for name in ("ml-latest-small", "the-movies-dataset")]
    rows, bars = [], []
    with tempfile.TemporaryDirectory() as scratch:
        simulate(Path(scratch) / "simulated", users=610, items=9700, ratings=100_000, seed=1)
        for dataset in [*real, detect(Path(scratch) / "simulated")]:
            row = measure(dataset, Path(scratch) / f"{dataset.name}-run")
            print(row, flush=True)
            rows.append(row)
            bars += judge(row)
    return finish("startup", {"starts": rows}, bars)


def measure(dataset: Dataset, scratch: Path) -> dict[str, Any]:
    """One run from nothing, and what its audit says."""
    scratch.mkdir()
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(scratch / "numba"),
        "PYTHONPYCACHEPREFIX": str(scratch / "pyc"),
    }
    work = ["--work", str(scratch / "work")]
    port, ui_port = free_ports(2)
    ports = ["--port", str(port), "--ui-port", str(ui_port)]
    command = [sys.executable, "-m", "reelstream"]
    started = time.perf_counter()
    run = subprocess.run(
        [
            *command,
            "run",
            "--data",
            str(dataset.ratings_file),
            *work,
            *ports,
            "--until-set",
            "3",
            "--json",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    seconds = time.perf_counter() - started
    if run.returncode:
        print(run.stderr, file=sys.stderr)
    audit = subprocess.run(
        [*command, "audit", *work, "--json"], capture_output=True, text=True, check=False
    )
    report = (
        json.loads(audit.stdout) if audit.stdout else {"problems": ["there is nothing to audit"]}
    )
    said = json.loads(run.stdout) if run.stdout else {}
    return {
        "data": dataset.name,
        "seconds": seconds,
        "ratings": len(dataset.read_ratings()),
        "rows": said.get("rows", 0),
        "batches": said.get("batches", 0),
        "model_set": said.get("model_set") or 0,
        "exit_code": run.returncode,
        "audit_problems": len(report["problems"]),
    }


def judge(row: dict[str, Any]) -> list[Bar]:
    """The bars of one start."""
    name = row["data"]
    return [
        at_most(f"{name}: seconds until set 3 answers", row["seconds"], LONGEST),
        between(f"{name}: the set in service", row["model_set"], 3, 3),
        between(f"{name}: batch files", row["batches"], 3, 3),
        between(f"{name}: ratings in batch files", row["rows"], row["ratings"], row["ratings"]),
        at_most(f"{name}: problems found by the audit", row["audit_problems"], 0),
    ]


if __name__ == "__main__":
    sys.exit(main())
