"""What does the Spark engine give, how fast is it, and how does it grow, beside one machine and
Spark's own library?

The same split: our engines and MLlib's models, each in a process of its own. The tutorial pipeline:
three sets of the same batch files by spark-submit, theirs and ours. Growth: sweeps in blocks on two
cores, beside the local engine's. And on paper, from these parts, a billion ratings. What the driver
holds is another question: `memory.py`.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from batch_files import publish, publish_data
from common import Bar, at_most, between, data_set, finish, more_than, parser
from measuring import Usage, in_own_process, timed_sweeps, watched
from peers.contest import Question
from reelstream.catalog import Catalog
from reelstream.datasets import Dataset, detect, simulate
from reelstream.engines import blocks
from reelstream.engines.chain import Chain
from reelstream.engines.interface import (
    FEW_FACTORS,
    MANY_RATINGS,
    Engine,
    FitContext,
    FitJob,
    FitParameters,
    SnapshotJob,
)
from reelstream.engines.local import LocalEngine
from reelstream.engines.spark.engine import SparkEngine
from reelstream.engines.spark.one_task import save_models
from reelstream.evaluation.offline import TRAIN, Split, split_at_random
from reelstream.evaluation.prequential import replay
from reelstream.evaluation.reports import Scores
from reelstream.evaluation.scores import score, score_points
from reelstream.models.bundle import ModelBundle
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder
from spark_sizing import Cluster, parts_of, sweep_on
from spark_submitted import measure_pipelines

SEEDS = (42, 43, 44)
CORES = 2
MASTER = f"local[{CORES}]"
CONF = {"spark.driver.memory": "1g", "spark.pyspark.python": sys.executable}
LOCAL, ONE_TASK, BLOCKS = (
    "reelstream on one machine",
    "reelstream on Spark, one task",
    "reelstream on Spark, blocks",
)
SMALL_BLOCK = 20_000
"""Ratings in a block where 100 k should lie in several."""
CLOSE = 0.003
"""By how much RMSE and AUC of blocks may differ from the local engine's."""

TINY = {"users": 400, "items": 200, "ratings": 2 * SMALL_BLOCK}
"""Next to no work: what a sweep of it takes is what Spark takes."""
SIZES = {
    100_000: (610, 9_700),
    1_000_000: (6_000, 4_000),
    10_000_000: (60_000, 20_000),
    32_000_000: (200_000, 80_000),
}
"""Ratings -> users and films."""
LARGE = 32_000_000
SWEEPS, WARM_UP = 12, 4
"""In a growth fit, and how many of them are not timed."""

PAPER_RATINGS, PAPER_ITEMS = 1_000_000_000, 100_000
PAPER = {
    "one task a core": Cluster(machines=20, cores=16, gigabits=10, task_cores=1),
    "one task a machine": Cluster(machines=20, cores=16, gigabits=10, task_cores=16),
}


def main() -> int:
    """Measure everything, judge it."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--small", action="store_true", help="one seed, and without the 32 M ratings"
    )
    options = arguments.parse_args()
    dataset = data_set(options.data)
    largest = LARGE - options.small
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        splits = [
            measure_split(dataset, seed, folder / f"split-{seed}")
            for seed in (SEEDS[:1] if options.small else SEEDS)
        ]
        peers = measure_peers(dataset)
        tutorial = measure_pipelines(
            dataset, split_of(dataset, SEEDS[0]), folder / "tutorial", MASTER, CONF
        )
        print(tutorial, flush=True)
        fixed, growth = measure_growth(
            folder / "growth", [size for size in SIZES if size <= largest]
        )
    parts = parts_of(
        [row["blocks"] | {name: row[name] for name in ("ratings", "items")} for row in growth],
        fixed,
        CORES,
    )
    paper = {
        name: asdict(cluster) | sweep_on(cluster, parts, PAPER_RATINGS, PAPER_ITEMS)
        for name, cluster in PAPER.items()
    }
    return finish(
        "spark",
        {
            "data": {"name": dataset.name, "cores": CORES, "tiny": TINY},
            "splits": splits,
            "peers": peers,
            "tutorial": tutorial,
            "fixed_seconds": fixed,
            "growth": growth,
            "parts": asdict(parts),
            "paper": {"ratings": PAPER_RATINGS, "items": PAPER_ITEMS, "clusters": paper},
        },
        [*judge_splits(splits, peers), *judge_tutorial(tutorial), *judge_growth(fixed, growth)],
        packages=("pyspark",),
        keep=not options.small,
    )


# The same split


def split_of(dataset: Dataset, seed: int) -> Split:
    """Random 80/20."""
    return split_at_random(dataset.read_ratings(), 0.2, seed)


def measure_split(dataset: Dataset, seed: int, scratch: Path) -> dict[str, Any]:
    """Our engines from the same batch files: scores, seconds, memory, and whether two sets are the
    same bits.
    """
    publish(scratch / "batches", [split_of(dataset, seed).train])
    rows = [
        in_own_process(measure_engine, name, dataset.folder, seed, scratch)
        for name in (LOCAL, ONE_TASK, BLOCKS)
    ]
    return {"seed": seed, "engines": rows}


def measure_engine(name: str, data: Path, seed: int, scratch: Path) -> dict[str, Any]:
    """One of our engines: a short fit to warm up, then a whole one, of all three models, all parts
    on.
    """
    dataset, batches = detect(data), BatchFolder.in_folder(scratch / "batches")
    catalog, out = dataset.read_catalog().catalog, scratch / name
    engine = open_engine(name)
    most = one_task_ratings(name)
    with small_blocks():
        short = FitParameters(sweeps=4, burn_in=2, n_draws=2, one_task_ratings=most)
        fit(engine, batches, out / "warm-up", catalog, short)
        with watched() as usage:
            models = fit(
                engine,
                batches,
                out / "history",
                catalog,
                FitParameters(seed=seed, one_task_ratings=most),
            )
    (out / "models").mkdir()
    save_models(models, out / "models")
    split = split_of(dataset, seed)
    row = entry(name, score_models(models, catalog, split, dataset.scale), usage) | {
        "digest": digest_of(out)
    }
    print(row, flush=True)
    return row


def open_engine(name: str) -> Engine:
    """Ready to fit."""
    engine = LocalEngine() if name == LOCAL else SparkEngine(MASTER, CONF)
    engine.prepare()
    return engine


def one_task_ratings(name: str) -> int:
    """Up to how many ratings one task fits."""
    return 0 if name == BLOCKS else MANY_RATINGS


def fit(
    engine: Engine,
    batches: BatchFolder,
    history_out: Path,
    catalog: Catalog,
    parameters: FitParameters,
) -> ModelBundle:
    """A first set from all batches."""
    history_out.mkdir(parents=True)
    manifests = batches.manifests()
    engine.write_snapshot(
        SnapshotJob(
            batches=batches,
            manifests=manifests,
            base=None,
            new_manifests=manifests,
            out=history_out,
        )
    )
    return engine.fit(
        FitJob(
            snapshot=history_out,
            batch_rows=sum(manifest.rows for manifest in manifests),
            context=FitContext(catalog=catalog, scale=RatingScale(), parameters=parameters),
            previous=None,
        )
    )


def small_blocks() -> AbstractContextManager[Any]:
    """Meanwhile 100 k ratings lie in several blocks."""
    return patch.object(blocks, "BLOCK_RATINGS", SMALL_BLOCK)


def score_models(models: ModelBundle, catalog: Catalog, split: Split, scale: RatingScale) -> Scores:
    """Of the served path on the test part."""
    learned = TrainedOn({TRAIN: len(split.train)}, {})
    model_set = ModelSet(number=0, models=models, catalog=catalog, scale=scale, trained_on=learned)
    return score(replay(model_set, split.train, split.test, "nothing"), split.test.rating, scale)


def entry(name: str, scores: Scores, usage: Usage, *, has_ratings: bool = True) -> dict[str, Any]:
    """One row of a table."""
    return {
        "name": name,
        "rmse": scores.rmse if has_ratings else None,
        "auc": scores.auc,
        "seconds": usage.wall_seconds,
        "cpu_seconds": usage.cpu_seconds,
        "peak_gib": sum(usage.peak_gib.values()),
    }


def digest_of(folder: Path) -> str:
    """Of the models and the history that a fit left."""
    digest = hashlib.sha256()
    for part in ("models", "history"):
        for path in sorted((folder / part).rglob("*.*")):
            digest.update(
                f"{path.relative_to(folder)} {path.stat().st_size} ".encode() + path.read_bytes()
            )
    return digest.hexdigest()


def measure_peers(dataset: Dataset) -> list[dict[str, Any]]:
    """MLlib's models on the split of the first seed."""
    names = ("MLlib ALS, tuned", "MLlib RandomForest", "MLlib GBT")
    return [in_own_process(measure_peer, name, dataset.folder) for name in names]


def measure_peer(name: str, data: Path) -> dict[str, Any]:
    """One fit in its best setting; the search for that setting is not timed."""
    from peers import spark_als, spark_trees  # noqa: PLC0415  (its session would be everybody's)

    dataset = detect(data)
    split = split_of(dataset, SEEDS[0])
    question = Question(
        split.train, split.test, dataset.read_catalog().catalog, dataset.scale, in_time=False
    )
    is_classifier = name in spark_trees.CLASSIFIERS
    if is_classifier:
        predicted, usage = spark_trees.like_probabilities(name, question)
    else:
        peer = spark_als.tuned()
        peer.answer(question)
        with watched() as usage:
            answer = peer.answer(question)
        predicted, usage.wall_seconds = answer.predicted, answer.fit_seconds
    scores = score_points(predicted, split.test.rating, dataset.scale)
    row = entry(name, scores, usage, has_ratings=not is_classifier)
    print(row, flush=True)
    return row


# Growth


def measure_growth(scratch: Path, sizes: Sequence[int]) -> tuple[float, list[dict[str, Any]]]:
    """The fixed seconds of a sweep, and a row a size; each fit in a process of its own, so that its
    peaks are its own.
    """
    simulate(
        scratch / "tiny", users=TINY["users"], items=TINY["items"], ratings=TINY["ratings"], seed=1
    )
    in_own_process(publish_data, scratch / "tiny")
    with_blocks = in_own_process(measure_sweeps, BLOCKS, scratch / "tiny", True)
    fixed = with_blocks["sweep_seconds"]
    print({"fixed": fixed}, flush=True)
    rows = []
    for size in sizes:
        users, items = SIZES[size]
        folder = scratch / str(size)
        simulate(folder, users=users, items=items, ratings=size, seed=1)
        in_own_process(publish_data, folder)
        blocks, local = (in_own_process(measure_sweeps, name, folder) for name in (BLOCKS, LOCAL))
        rows.append(
            {
                "ratings": size,
                "users": users,
                "items": blocks["items"],
                "blocks": blocks,
                "local": local,
            }
        )
        print(rows[-1], flush=True)
    return fixed, rows


def measure_sweeps(name: str, data: Path, has_small_blocks: bool = False) -> dict[str, Any]:
    """Seconds of an ordinary sweep, of all the rest of a fit, and the peaks of memory."""
    batches, catalog = BatchFolder.in_folder(data / "batches"), detect(data).read_catalog().catalog
    n_ratings = sum(manifest.rows for manifest in batches.manifests())
    sweeps = SWEEPS * (1 + (n_ratings > MANY_RATINGS))  # of which such a fit makes half
    parameters = FitParameters(
        n_factors=FEW_FACTORS,
        sweeps=sweeps,
        burn_in=sweeps - 2,
        n_draws=1,
        one_task_ratings=one_task_ratings(name),
    )
    engine = open_engine(name)
    with (
        small_blocks() if has_small_blocks else nullcontext(),
        watched() as usage,
        timed_sweeps(Chain) as seconds,
    ):
        models = fit(engine, batches, data / f"history-{name}", catalog, parameters)
    return {
        "items": len(models.rating.item_ids),
        "sweep_seconds": float(np.median(seconds[min(WARM_UP, len(seconds) - 1) :])),
        "other_seconds": usage.wall_seconds - sum(seconds),
        "cpu_seconds": usage.cpu_seconds,
        "peak_gib": usage.peak_gib,
    }


# The bars


def judge_splits(
    splits: Sequence[Mapping[str, Any]], peers: Sequence[Mapping[str, Any]]
) -> list[Bar]:
    """Parity on every seed, and a lead over MLlib on the first."""
    by_name = [{row["name"]: row for row in split["engines"]} for split in splits]
    same = sum(rows[ONE_TASK]["digest"] == rows[LOCAL]["digest"] for rows in by_name)
    apart = {
        field: max(abs(rows[BLOCKS][field] - rows[LOCAL][field]) for rows in by_name)
        for field in ("rmse", "auc")
    }
    ours = by_name[0][BLOCKS]
    return [
        between(
            "one task: seeds with the local engine's set, bit for bit",
            same,
            len(splits),
            len(splits),
        ),
        at_most("blocks: RMSE apart from the local engine's, worst seed", apart["rmse"], CLOSE),
        at_most("blocks: AUC apart from the local engine's, worst seed", apart["auc"], CLOSE),
        more_than(
            "blocks: least lead in RMSE over MLlib",
            min(peer["rmse"] for peer in peers if peer["rmse"]) - ours["rmse"],
            0,
        ),
        more_than(
            "blocks: least lead in AUC over MLlib",
            ours["auc"] - max(peer["auc"] for peer in peers),
            0,
        ),
    ]


def judge_tutorial(rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """Faster and better."""
    theirs, ours = rows
    return [
        more_than(
            "tutorial pipeline: times faster, whole command, three sets",
            theirs["seconds"] / ours["seconds"],
            1,
        ),
        more_than("tutorial pipeline: lead in RMSE, third set", theirs["rmse"] - ours["rmse"], 0),
        more_than("tutorial pipeline: lead in AUC, third set", ours["auc"] - theirs["auc"], 0),
    ]


def judge_growth(fixed: float, rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The fixed cost, and what 10 M and 32 M take beyond it."""
    bars = [at_most(f"blocks: fixed seconds a sweep on {MASTER}", fixed, 0.5)]
    for row in rows:
        if row["ratings"] == 10_000_000:
            times = (row["blocks"]["sweep_seconds"] - fixed) / row["local"]["sweep_seconds"]
            bars.append(
                at_most(
                    "10 M: a sweep in blocks, less the fixed seconds, as a multiple of the"
                    " local one",
                    times,
                    2,
                )
            )
        if row["ratings"] == LARGE:
            peak = sum(row["blocks"]["peak_gib"].values())
            bars.append(at_most("32 M: peak memory of all processes together, GiB", peak, 12))
    return bars


if __name__ == "__main__":
    sys.exit(main())
