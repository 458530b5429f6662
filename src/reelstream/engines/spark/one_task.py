"""The whole fit in one task: below some millions of ratings nothing is faster, and the result is the local engine's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from reelstream.engines.interface import FitJob, FittedModels
from reelstream.engines.local import fit_models
from reelstream.engines.spark.frames import to_columns
from reelstream.errors import NothingToLearnError
from reelstream.models.like import LikeModel
from reelstream.models.rating import RatingModel
from reelstream.models.segment import SegmentModel
from reelstream.storage.history import History

RESULT = "is_fitted boolean"
"""What the task says: whether there was anything to learn from."""


def task_of(job: FitJob, models_out: Path) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What turns all settled ratings into the history snapshot and, in `models_out`, the models."""
    history_out, catalog, scale, previous, parameters = (
        job.history_out,
        job.catalog,
        job.scale,
        job.previous,
        job.parameters,
    )

    def fit(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            history = History.of(to_columns(batches))
            history.save(history_out)
            save_models(fit_models(history, catalog, scale, previous, parameters), models_out)
            is_fitted = True
        except NothingToLearnError:
            is_fitted = False
        yield pa.RecordBatch.from_pydict({"is_fitted": [is_fitted]})

    return fit


def save_models(models: FittedModels, folder: Path) -> None:
    """Write the three models into subfolders of `folder`."""
    for name, model in (("rating", models.rating), ("like", models.like), ("segment", models.segment)):
        (folder / name).mkdir(exist_ok=True)  # an attempt that died may have made it
        model.save(folder / name)


def load_models(folder: Path) -> FittedModels:
    """What `save_models` wrote."""
    return FittedModels(
        RatingModel.load(folder / "rating"), LikeModel.load(folder / "like"), SegmentModel.load(folder / "segment")
    )
