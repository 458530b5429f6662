"""Trains a work folder on a cluster, in blocks:
`cluster_trainer.py WORK MASTER SPARK_SETTINGS_AS_JSON`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from reelstream.engines import blocks
from reelstream.engines.interface import Engine, FitContext, FitParameters
from reelstream.engines.spark.engine import SparkEngine
from reelstream.storage.work_folder import WorkFolder
from reelstream.training.stores import TrainingStores
from reelstream.training.trainer import Trainer

SWEEPS = 3
SHORT = FitParameters(
    n_factors=4, sweeps=SWEEPS, burn_in=1, n_draws=2, warm_sweeps=SWEEPS, warm_burn_in=1
)
BLOCK_RATINGS = 800


def trainer(work: Path, engine: Engine, one_task_ratings: int) -> Trainer:
    """Of short chains."""
    folder = WorkFolder(work)
    context = FitContext(
        catalog=folder.read_catalog(),
        scale=folder.binding().scale,
        parameters=replace(SHORT, one_task_ratings=one_task_ratings),
    )
    return Trainer(TrainingStores.of(folder), engine, context, keep=5)


if __name__ == "__main__":
    blocks.BLOCK_RATINGS = BLOCK_RATINGS
    work, master, conf = sys.argv[1:]
    trainer(Path(work), SparkEngine(master, json.loads(conf)), one_task_ratings=0).run_once()
