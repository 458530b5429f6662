"""`import reelstream` costs a host program nothing and changes nothing in it."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = {"numpy", "scipy", "numba", "sklearn", "polars", "pydantic", "flask", "msgspec"}


def test_import_loads_nothing_heavy_and_leaves_the_environment_alone() -> None:
    """What is heavy is loaded when a name is first used; BLAS stays as its host has set it."""
    program = """
import json, os, sys
before = dict(os.environ)
import reelstream
print(json.dumps([sorted(sys.modules), dict(os.environ) == before, sorted(dir(reelstream))]))
"""
    modules, is_unchanged, names = json.loads(
        subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout
    )
    assert not HEAVY & set(modules)
    assert is_unchanged
    assert "__version__" in names


def test_the_command_line_limits_the_threads_of_native_libraries() -> None:
    """A process of ours has one thread for BLAS, whatever its environment says."""
    program = """
import os, sys
sys.argv[1:] = ["--version"]
from reelstream.cli import main
try:
    main()
finally:
    print(os.environ["OPENBLAS_NUM_THREADS"])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "1"
