"""The fit in blocks: every sweep goes to where the ratings are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import SparkContext
from pyspark.sql import SparkSession

from reelstream.compute import threads
from reelstream.engines.block_backend import BlockBackend
from reelstream.engines.blocks import BlockFolder
from reelstream.engines.chain_start import ChainRows
from reelstream.engines.interface import FitJob
from reelstream.engines.local import complete_models
from reelstream.engines.rating_fit import RatingTotals, fit_rating_model
from reelstream.engines.spark.block_tasks import SparkTasks
from reelstream.engines.spark.block_writer import Counts, count, write_blocks
from reelstream.engines.spark.one_step import in_one_step
from reelstream.engines.spark.one_task import RESULT
from reelstream.errors import NothingToLearnError
from reelstream.features.audience import features_of_products
from reelstream.models.bundle import ModelBundle
from reelstream.models.rating.model import RatingModel
from reelstream.models.registry import load_saved_bundle, save_bundle
from reelstream.storage.snapshot import read_snapshot


def fit_in_blocks(session: SparkSession, job: FitJob, scratch: Path) -> ModelBundle:
    """The models of the job, with its blocks in `scratch`. Raises NothingToLearnError."""
    context, blocks = session.sparkContext, BlockFolder(scratch / "blocks")
    counts = count(context, job.snapshot)
    if not len(counts.item_ids):
        raise NothingToLearnError
    blocks.create()
    firsts = write_blocks(context, job.snapshot, counts, blocks)
    rating = _fit_rating(context, job, counts, firsts, blocks)
    for folder in (scratch / "rating", scratch / "models"):
        folder.mkdir()
    rating.save(scratch / "rating")
    session.range(1, numPartitions=1).mapInArrow(_completion(job, scratch), RESULT).collect()
    return load_saved_bundle(scratch / "models")


@threads.one_for_blas()
def _fit_rating(
    context: SparkContext,
    job: FitJob,
    counts: Counts,
    firsts: NDArray[np.int64],
    blocks: BlockFolder,
) -> RatingModel:
    tasks = SparkTasks(context, blocks, firsts)
    n_users, previous = len(counts.user_ids), None
    if job.previous is not None:
        previous = job.previous.find(RatingModel)
    parameters = job.context.parameters.for_size(int(counts.item_ratings.sum()), n_users)
    totals = RatingTotals(
        users=ChainRows(counts.user_ids, counts.user_keys),
        items=ChainRows(counts.item_ids, counts.item_keys),
        item_ratings=counts.item_ratings,
        mean=counts.mean,
        audience=features_of_products(
            tasks.multiply_audience,
            counts.item_ratings,
            n_users,
            counts.item_keys,
            parameters.n_audience,
        ),
    )
    backend = BlockBackend(blocks, firsts, tasks)
    model = fit_rating_model(backend, totals, job.context.catalog, previous, parameters)
    tasks.close()
    return model


def _completion(
    job: FitJob, scratch: Path
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """One task for the families that need all histories, mapped."""
    # A task that held the job would carry the whole previous rating model.
    snapshot, context = job.snapshot, job.context
    previous = job.previous.without("rating") if job.previous is not None else None

    def complete(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # The one row of the range only starts the task.
        for _ in batches:
            rating = RatingModel.load(scratch / "rating")
            models = complete_models(rating, read_snapshot(snapshot), context, previous)
            with in_one_step(scratch, scratch / "models") as folder:
                save_bundle(models, folder)
        yield pa.RecordBatch.from_pydict({"is_fitted": [True]})

    return complete
