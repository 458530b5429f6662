"""The whole fit in one task: below some millions of ratings nothing is faster, and the result is
the local engine's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame

from reelstream.engines.interface import FitJob, FittedModels
from reelstream.engines.local import fit_models
from reelstream.engines.spark.frames import to_columns
from reelstream.errors import NothingToLearnError
from reelstream.files import temporary_path
from reelstream.models.like.model import LikeModel
from reelstream.models.rating.model import RatingModel
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.histories import Histories
from reelstream.storage.snapshot import write_snapshot

RESULT = "is_fitted boolean"
"""What the task says: whether there was anything to learn from."""


def fit_in_one_task(settled: DataFrame, job: FitJob, scratch: Path) -> FittedModels:
    """The models and the history snapshot, from ratings that are all in one partition. Raises
    NothingToLearnError.
    """
    said = settled.mapInArrow(_task_of(job, scratch), RESULT).collect()
    if not said[0].is_fitted:
        raise NothingToLearnError
    return load_models(scratch)


def _task_of(
    job: FitJob, scratch: Path
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What turns all settled ratings into the history snapshot and, in `scratch`, the models."""
    history_out, catalog, scale, previous, parameters = (
        job.history_out,
        job.catalog,
        job.scale,
        job.previous,
        job.parameters,
    )

    def fit(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        is_fitted = True
        with in_one_step(scratch, history_out) as folder:
            history = Histories.of(to_columns(batches))
            write_snapshot(history, folder)
        try:
            models = fit_models(history, catalog, scale, previous, parameters)
        except NothingToLearnError:
            is_fitted = False
        else:
            with in_one_step(scratch, scratch) as folder:
                save_models(models, folder)
        yield pa.RecordBatch.from_pydict({"is_fitted": [is_fitted]})

    return fit


@contextmanager
def in_one_step(scratch: Path, out: Path) -> Iterator[Path]:
    """An empty folder whose content then moves into `out`.

    Another attempt at the same task may be at work, or have done it already: what it wrote is the
    same, and is not written into.
    """
    folder = temporary_path(scratch / "attempt")
    folder.mkdir()
    yield folder
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            target = out / path.relative_to(folder)
            target.parent.mkdir(exist_ok=True)
            os.replace(path, target)


def save_models(models: FittedModels, folder: Path) -> None:
    """Write the three models into subfolders of `folder`."""
    for name, model in (
        ("rating", models.rating),
        ("like", models.like),
        ("segment", models.segment),
    ):
        (folder / name).mkdir()
        model.save(folder / name)


def load_models(folder: Path) -> FittedModels:
    """What `save_models` wrote."""
    return FittedModels(
        RatingModel.load(folder / "rating"),
        LikeModel.load(folder / "like"),
        SegmentModel.load(folder / "segment"),
    )
