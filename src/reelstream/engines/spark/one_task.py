"""The whole fit in one task: below some millions of ratings nothing is faster.

The result is the local engine's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import SparkSession

from reelstream.engines.interface import FitJob
from reelstream.engines.local import fit_models
from reelstream.engines.spark.one_step import in_one_step
from reelstream.errors import NothingToLearnError
from reelstream.models.bundle import ModelBundle
from reelstream.models.registry import load_saved_bundle, save_bundle
from reelstream.storage.snapshot import read_snapshot

# What the task says: whether there was anything to learn from.
RESULT = "is_fitted boolean"


def fit_in_one_task(session: SparkSession, job: FitJob, scratch: Path) -> ModelBundle:
    """The models of the job, made in `scratch`. Raises NothingToLearnError."""
    one = session.range(1, numPartitions=1)
    said = one.mapInArrow(fit_task(job, scratch), RESULT).collect()
    if not said[0].is_fitted:
        raise NothingToLearnError
    return load_saved_bundle(scratch)


def fit_task(
    job: FitJob, scratch: Path
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What fits the models and leaves them in `scratch`."""

    def fit(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # The one row of the range only starts the task.
        for _ in batches:
            try:
                models = fit_models(read_snapshot(job.snapshot), job.context, job.previous)
            except NothingToLearnError:
                yield pa.RecordBatch.from_pydict({"is_fitted": [False]})
                return
            with in_one_step(scratch, scratch) as folder:
                save_bundle(models, folder)
        yield pa.RecordBatch.from_pydict({"is_fitted": [True]})

    return fit
