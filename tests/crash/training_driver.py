"""Trains work folders, or erases users from their batches, in processes that kill themselves:
`training_driver.py train|erase FOLDER FAILPOINT [FOLDER FAILPOINT ...]`.

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
from reelstream.storage.batch_erasure import erase_users

if __name__ == "__main__":
    for folder, failpoint in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        child = os.fork()
        if not child:
            failpoints.arm(failpoints.killing(failpoint))
            world = TrainingWorld(Path(folder), keep=1)
            if sys.argv[1] == "erase":
                erase_users(world.batches)
            else:
                world.trainer.run_once()
            os._exit(0)
        print("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
