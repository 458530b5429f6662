"""Does what the trainer holds on Spark's driver grow with the number of ratings?

A standalone cluster on this machine, so that the driver's two processes hold nothing else; users
and films are the same whatever the number of ratings. The trainer makes a first set, and one of a
further batch: record, fit, gate.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from batch_files import publish_even
from common import Bar, at_most, finish, parser
from measuring import in_own_process, watched
from reelstream.datasets import detect, simulate
from reelstream.engines.interface import FEW_FACTORS, FitContext, FitParameters
from reelstream.engines.spark.engine import SparkEngine
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.training.stores import TrainingStores
from reelstream.training.trainer import Trainer
from standalone import standalone

USERS, ITEMS = 200_000, 80_000
SIZES = (1_000_000, 10_000_000, 32_000_000)
NEW_RATINGS = 100_000
"""In the batch of the second set."""
SHORT = FitParameters(
    n_factors=FEW_FACTORS,
    sweeps=4,
    burn_in=2,
    n_draws=1,
    warm_sweeps=2,
    warm_burn_in=1,
    one_task_ratings=0,
)
CONF = {
    "spark.driver.memory": "1g",
    "spark.pyspark.python": sys.executable,
    "spark.driver.extraJavaOptions": "-XX:+UseSerialGC",
}
"""With a heap of Java's that grows for what is in use, and not to put off collecting garbage."""


def main() -> int:
    """Measure every size, judge the largest beside the smallest."""
    arguments = parser(__doc__)
    arguments.add_argument("--small", action="store_true", help="without the 32 M ratings")
    options = arguments.parse_args()
    sizes = SIZES[:-1] if options.small else SIZES
    with tempfile.TemporaryDirectory() as scratch:
        rows = measure(Path(scratch), sizes)
    return finish(
        "memory",
        {"users": USERS, "items": ITEMS, "new_ratings": NEW_RATINGS, "sizes": rows},
        judge(rows),
        packages=("pyspark",),
        keep=not options.small,
    )


def measure(scratch: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """A row a size, each trainer a process of its own."""
    rows = []
    simulate(scratch / "films", users=20, items=ITEMS, ratings=400, seed=1)
    with standalone(scratch / "cluster", 2, "3g") as master:
        for size in sizes:
            rows.append(
                in_own_process(
                    measure_trainer, scratch / str(size), scratch / "films", size, master
                )
            )
            print(rows[-1], flush=True)
    return rows


def measure_trainer(work: Path, films: Path, size: int, master: str) -> dict[str, Any]:
    """Peaks of this process and its Java over a first set of `size` ratings, and one of a further
    batch.
    """
    engine = SparkEngine(master, CONF)
    stores = TrainingStores(
        batches=BatchFolder.in_folder(work / "batches"),
        snapshots=SnapshotStore.in_folder(work / "history"),
        model_sets=ModelSetStore.in_folder(work / "models"),
    )
    catalog = detect(films).read_catalog().catalog
    context = FitContext(catalog=catalog, scale=RatingScale(), parameters=SHORT)
    trainer = Trainer(stores, engine, context, keep=5)
    with watched() as usage:
        for begin, end in pairwise((0, size, size + NEW_RATINGS)):
            in_own_process(publish_even, work, begin, end, USERS, ITEMS)
            (release,) = trainer.run_once()
    return {
        "ratings": size,
        "asked": release.record[0].biases.n,
        "python_gib": usage.peak_gib["python"],
        "jvm_gib": usage.peak_gib["jvm"],
    }


def judge(rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The largest beside the smallest; Java has some garbage at any time."""
    smallest, largest = rows[0], rows[-1]
    times = f"{largest['ratings'] // smallest['ratings']} times the ratings"
    return [
        at_most(
            f"{times}: peak memory of the driver's {title}, as a multiple",
            largest[name] / smallest[name],
            limit,
        )
        for name, title, limit in (("python_gib", "Python", 1.1), ("jvm_gib", "Java", 1.25))
    ]


if __name__ == "__main__":
    sys.exit(main())
