"""A tutorial's pipeline and ours, each as one `spark-submit`, on the same three batch files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from common import ROOT
from reelstream.datasets import Dataset
from reelstream.evaluation.baselines import GlobalMean
from reelstream.evaluation.offline import TRAIN, Split
from reelstream.evaluation.prequential import replay
from reelstream.evaluation.reports import Scores
from reelstream.evaluation.scores import score, score_points
from reelstream.models.model_set import TrainedOn
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.work_folder import WorkFolder

THEIRS, OURS = "tutorial pipeline", "reelstream"
N_SETS = 3


def measure_pipelines(
    dataset: Dataset, split: Split, scratch: Path, master: str, conf: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Seconds of both whole commands; scores of their third sets on the held-out ratings of the
    split.
    """
    work = _make_work_folder(dataset, split.train, scratch)
    script = ROOT / "benchmarks" / "peers" / "spark_tutorial.py"
    theirs = [
        str(path)
        for path in (
            script,
            work / "batched_data",
            scratch / "data" / "movies.csv",
            scratch / "theirs",
        )
    ]
    ours = [str(ROOT / "spark_training.py"), "--work", str(work)]
    submit = ["spark-submit", "--master", master]
    submit += [part for name, value in conf.items() for part in ("--conf", f"{name}={value}")]
    seconds = {THEIRS: _run([*submit, *theirs]), OURS: _run([*submit, *ours])}
    asked = {
        "row": np.arange(len(split.test)),
        "userId": split.test.user_id,
        "movieId": split.test.item_id,
    }
    pl.DataFrame(asked).write_csv(scratch / "asked.csv")
    _run([*submit, *theirs, str(scratch / "asked.csv")])
    scores = {
        THEIRS: _score_theirs(
            scratch / "theirs" / str(N_SETS) / "answers.csv", split, dataset.scale
        ),
        OURS: _score_ours(work, split),
    }
    return [
        {"name": name, "seconds": seconds[name], "rmse": each.rmse, "auc": each.auc}
        for name, each in scores.items()
    ]


def _make_work_folder(dataset: Dataset, train: EventColumns, scratch: Path) -> Path:
    """With three batch files, written by the pipeline itself."""
    data, work = scratch / "data", scratch / "work"
    data.mkdir(parents=True)
    for name in ("movies.csv", "links.csv"):
        (data / name).write_bytes((dataset.folder / name).read_bytes())
    columns = {
        "userId": train.user_id,
        "movieId": train.item_id,
        "rating": train.rating,
        "timestamp": train.timestamp,
    }
    pl.DataFrame(columns).write_csv(data / "ratings.csv")
    _run(["reelstream", "produce", "--data", str(data), "--work", str(work)])
    _run(
        [
            "reelstream",
            "batch",
            "--work",
            str(work),
            "--once",
            "--batch-rows",
            str(-(-len(train) // N_SETS)),
        ]
    )
    return work


def _run(command: list[str]) -> float:
    """Seconds of a command of this environment, which must succeed; what it said is shown when it
    does not.
    """
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    program = str(Path(sys.executable).parent / command[0])
    started = time.perf_counter()
    done = subprocess.run(
        [program, *command[1:]], env=environment, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
        raise SystemExit(2)
    return seconds


def _score_theirs(answers: Path, split: Split, scale: RatingScale) -> Scores:
    """RMSE of ALS, the mean where it has no answer; AUC of the forest."""
    said = pl.read_csv(answers, schema_overrides={"rating": pl.Float64}).sort("row")
    rating = said["rating"].fill_null(np.nan).to_numpy()
    mean = GlobalMean.of(split.train, scale).predict(split.test.user_id, split.test.item_id)
    rated = score_points(np.where(np.isnan(rating), mean, rating), split.test.rating, scale)
    liked = score_points(said["like"].to_numpy(), split.test.rating, scale)
    return Scores(len(said), rmse=rated.rmse, auc=liked.auc)


def _score_ours(work: Path, split: Split) -> Scores:
    """As it would be served."""
    folder = WorkFolder(work)
    trained = ModelSetStore.in_folder(folder.models).load(N_SETS, folder.read_catalog())
    model_set = replace(trained, trained_on=TrainedOn({TRAIN: len(split.train)}, {}))
    return score(
        replay(model_set, split.train, split.test, "nothing"), split.test.rating, model_set.scale
    )
