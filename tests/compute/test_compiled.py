"""A function is compiled by one process, however many need it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = """
from reelstream.compute.compiled import compiled

@compiled()
def inner(x):
    return x * 2

@compiled()
def outer(x):
    return inner(x) + 1
"""
PROGRAM = """
import sys
from shared import inner, outer

print("ready", flush=True)
sys.stdin.readline()
assert outer(20) == 41
print(sum(inner.stats.cache_misses.values()), sum(outer.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_processes_that_start_together_compile_once(tmp_path: Path) -> None:
    """All but one load what that one has kept; what is called inside as well."""
    (tmp_path / "shared.py").write_text(MODULE)
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    misses = [process.communicate("go\n")[0].split() for process in processes]
    assert sorted(misses) == [["0", "0"], ["0", "0"], ["1", "1"]]
