"""The fit in blocks: ratings are laid out once, and every sweep visits them where they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame

from reelstream.compute import threads
from reelstream.engines.block_chain import BlockChain
from reelstream.engines.blocks import BlockFolder
from reelstream.engines.chain import run_chain, start_chain
from reelstream.engines.interface import FitJob, FittedModels
from reelstream.engines.local import complete_models
from reelstream.engines.spark.block_tasks import SparkTasks
from reelstream.engines.spark.layout import Counts, Cut, count, cut, kept, lay_out, mark_learned
from reelstream.engines.spark.one_task import RESULT, in_one_step, load_models, save_models
from reelstream.errors import NothingToLearnError
from reelstream.features.audience import features_of_products
from reelstream.features.item_features import ItemFeatures
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.like.model import LikeModel
from reelstream.models.rating.model import ChainState, RatingModel
from reelstream.storage.snapshot import read_snapshot


def fit_in_blocks(settled: DataFrame, job: FitJob, scratch: Path) -> FittedModels:
    """The models and the history snapshot; `scratch` holds what is needed meanwhile. Raises
    NothingToLearnError.
    """
    blocks = BlockFolder(scratch / "blocks")
    with kept(mark_learned(settled)) as marked:
        counts = count(marked, job.scale.like_threshold)
        if not len(counts.item_ids):
            raise NothingToLearnError
        where = cut(counts)
        lay_out(marked, counts, where, blocks, job.history_out)
    rating = _fit_rating(settled, job, counts, where, blocks)
    items = Vocabulary(counts.item_ids)
    like = LikeModel.of_counts(
        items, counts.item_ratings, counts.item_likes, job.scale.like_threshold
    )
    rating.save(_made(scratch / "rating"))
    like.save(_made(scratch / "like"))
    session = settled.sparkSession
    session.range(1, numPartitions=1).mapInArrow(_completion(job, scratch), RESULT).collect()
    return load_models(scratch / "models")


@threads.one_for_blas()
def _fit_rating(
    settled: DataFrame, job: FitJob, counts: Counts, where: Cut, blocks: BlockFolder
) -> RatingModel:
    previous = job.previous.rating if job.previous else None
    n_ratings, user_ids = int(counts.item_ratings.sum()), counts.learned_users
    tasks = SparkTasks(settled.sparkSession.sparkContext, blocks, where.firsts)
    audience = features_of_products(tasks.multiply_audience, counts.item_ratings, len(user_ids))
    encoder = previous.features if previous else ItemFeatures(job.catalog.genres)
    films = [job.catalog.get(item) for item in counts.item_ids.tolist()]
    features = encoder.encode(films, counts.item_ratings, audience)
    parameters = job.parameters.for_size(n_ratings)
    start = start_chain(user_ids, counts.item_ids, n_ratings, previous, parameters)
    chain = BlockChain(blocks, where.firsts, tasks, counts.item_ids, features, n_ratings, start)
    draws = run_chain(chain, parameters, is_warm=previous is not None)
    tasks.close()
    users = chain.user_state()
    return RatingModel(
        counts.mean,
        counts.item_ids,
        counts.item_ratings,
        draws,
        encoder,
        chain.hyperparameters,
        ChainState(user_ids, users.rows, users.noise, users.scale, chain.items.draws),
        chain.sweeps,
        chain.seed,
    )


def _completion(
    job: FitJob, scratch: Path
) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """One task for what needs the history as a whole, mapped: segments, and the like model of some
    users.
    """
    history_out, catalog, scale, parameters = (
        job.history_out,
        job.catalog,
        job.scale,
        job.parameters,
    )
    previous = job.previous.segment if job.previous else None

    def complete(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            rating, like = RatingModel.load(scratch / "rating"), LikeModel.load(scratch / "like")
            history = read_snapshot(history_out)
            models = complete_models(rating, like, history, catalog, scale, previous, parameters)
            with in_one_step(scratch, _made(scratch / "models")) as folder:
                save_models(models, folder)
        yield pa.RecordBatch.from_pydict({"is_fitted": [True]})

    return complete


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
