"""Trains work folders in processes that kill themselves:
`training_driver.py FOLDER FUNCTION N [FOLDER FUNCTION N ...]`.

Each folder is trained by a child that dies at the N-th call of FUNCTION: before the call does
anything, or with the suffix `!` after it has done its work. Prints for each how its child ended.
One process for all, since importing takes longer than training.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from mean_engine import MeanEngine, TrainingWorld
from reelstream.storage import model_registry, snapshot_store

PLACES: dict[str, list[tuple[Any, str]]] = {
    "save": [(np, "save")],
    "fit": [(MeanEngine, "fit")],
    "publish_folder": [(model_registry, "publish_folder"), (snapshot_store, "publish_folder")],
    "publish_bytes": [(model_registry, "publish_bytes")],
    "replace_file": [(model_registry, "replace_file"), (snapshot_store, "replace_file")],
    "rename": [(os, "rename")],
    "link": [(os, "link")],
    "replace": [(os, "replace")],
    "rmtree": [(shutil, "rmtree")],
}


def main(folder: Path, name: str, count: int) -> None:
    after = name.endswith("!")
    calls = 0

    def deadly(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == count and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments, **named)
            if calls == count and after:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    world = TrainingWorld(folder, keep=1)
    for owner, attribute in PLACES[name.rstrip("!")]:
        setattr(owner, attribute, deadly(getattr(owner, attribute)))
    world.trainer.run_once()


if __name__ == "__main__":
    for place in range(1, len(sys.argv), 3):
        child = os.fork()
        if not child:
            main(Path(sys.argv[place]), sys.argv[place + 1], int(sys.argv[place + 2]))
            os._exit(0)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
