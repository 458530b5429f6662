"""Trains work folders in processes that kill themselves:
`training_driver.py FOLDER FAILPOINT [FOLDER FAILPOINT ...]`.

Prints for each how its process ended. One process imports everything, and the others are forked
from it: to import takes longer than to train.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from mean_engine import TrainingWorld
from reelstream import failpoints

if __name__ == "__main__":
    for folder, failpoint in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        child = os.fork()
        if not child:
            failpoints.arm(failpoints.killing(failpoint))
            TrainingWorld(Path(folder), keep=1).trainer.run_once()
            os._exit(0)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
