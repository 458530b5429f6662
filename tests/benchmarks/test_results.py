"""What the benchmarks left: results that say where they come from, and a page that says what they
say.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BENCHMARKS = ROOT / "benchmarks"
RESULTS = sorted((BENCHMARKS / "results").glob("*.json"))


def test_results_are_kept() -> None:
    """There are results, each of a benchmark that can be run again."""
    assert RESULTS
    assert {path.stem for path in RESULTS} <= {path.stem for path in BENCHMARKS.glob("*.py")}


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_names_its_machine_versions_and_commit(path: Path) -> None:
    """Every figure can be traced to what it was measured on, in general terms only: no path and no
    host.
    """
    result = json.loads(path.read_text())
    assert (result["format"], result["name"]) == (1, path.stem)
    assert set(result["machine"]) == {"cpu", "cores", "memory_gib", "os", "load_before"}
    assert {"python", "reelstream", "numpy", "numba"} <= set(result["versions"])
    assert len(result["commit"].removesuffix("+changes")) >= 7
    assert all(bar["passed"] in (True, False) and bar["limit"] for bar in result["bars"])
    assert "/home/" not in path.read_text()
    assert str(ROOT) not in path.read_text()
    assert platform.node() not in json.dumps(result["machine"]).split('"')


def test_the_page_is_made_from_the_results() -> None:
    """docs/benchmarks.md and its plots are exactly what benchmarks/tables.py makes of the
    results.
    """
    check = subprocess.run(
        [sys.executable, BENCHMARKS / "tables.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stdout + check.stderr
