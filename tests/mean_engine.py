"""A real model set fitted in a moment: users and films have a bias and nothing more. And batches to
fit it to.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from events import event_columns
from reelstream.catalog import Catalog, Film
from reelstream.engines.interface import FitContext, FitJob, SnapshotJob
from reelstream.engines.local import merged_histories
from reelstream.errors import NothingToLearnError
from reelstream.features.item_features import ItemFeatures
from reelstream.features.user_profiles import GenreShares
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.bundle import ModelBundle
from reelstream.models.family import FamilyInput
from reelstream.models.like.model import LikeModel
from reelstream.models.rating.echo import N_GAPS
from reelstream.models.rating.model import ChainState, Hyperparameters, ItemDraws, RatingModel
from reelstream.models.registry import fit_families
from reelstream.models.segment.fit import fit_segments
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.snapshot import read_snapshot, write_snapshot
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.storage.work_folder import WorkFolder
from reelstream.training.stores import TrainingStores
from reelstream.training.trainer import Trainer

N_USERS, N_ITEMS = 300, 300
SCALE = RatingScale()
CATALOG = Catalog(Film(item, f"Film {item}", 1990, ("Drama",)) for item in range(N_ITEMS))


class MeanEngine:
    """Films get their mean rating; sets that end with a batch in `spoiled` get another film's."""

    name = "mean"

    def __init__(self, spoiled: Collection[int] = ()) -> None:
        self.spoiled = spoiled
        self.jobs: list[FitJob] = []
        self.snapshots: list[SnapshotJob] = []

    def prepare(self) -> None:
        """Nothing is compiled."""

    def write_snapshot(self, job: SnapshotJob) -> None:
        self.snapshots.append(job)
        write_snapshot(merged_histories(job), job.out)

    def fit(self, job: FitJob) -> ModelBundle:
        self.jobs.append(job)
        histories = read_snapshot(job.snapshot)
        if not len(histories):
            raise NothingToLearnError
        models = mean_models(histories.ratings, histories.starts, job.context.catalog)
        if self.snapshots[-1].manifests[-1].number in self.spoiled:
            models.rating.draws.means[:] = np.roll(models.rating.draws.means, 1, axis=1)
        return fit_families(
            FamilyInput(
                histories=histories,
                catalog=job.context.catalog,
                scale=job.context.scale,
                models=models,
                previous=job.previous,
                seed=job.context.parameters.seed,
                has_gate=job.context.has_gate,
            )
        )


def mean_models(ratings: EventColumns, starts: np.ndarray, catalog: Catalog) -> ModelBundle:
    """The three models of ratings sorted by user."""
    mean = float(ratings.rating.mean())
    items = Vocabulary.of(ratings.item_id)
    rows = items.rows(ratings.item_id)
    counts = np.bincount(rows)
    biases = np.zeros((1, len(items), 2), np.float32)
    biases[0, :, 0] = np.bincount(rows, ratings.rating - mean) / (counts + 5)
    features = ItemFeatures(catalog.genres)
    draws = ItemDraws(
        drawn=biases.copy(),
        means=biases,
        covs=np.zeros((1, len(items), 2, 2), np.float32),
        item_weights=np.zeros((1, features.n_own, 2)),
        item_precision=np.eye(2)[None] * 4,
        user_mean=np.zeros((1, 2)),
        exposure=np.zeros((1, len(items), 2), np.float32),
        user_precision=np.eye(2)[None] * 4,
        alpha=np.array([2.0]),
        session_variance=np.zeros(1),
        session_rate=np.ones(1),
        echo=np.zeros((1, N_GAPS)),
    )
    nobody = np.empty(0)
    state = ChainState(
        user_ids=nobody.astype(np.int64),
        user_rows=np.empty((0, 2), np.float32),
        user_noise=nobody,
        session_scale=nobody,
        prior_weight=nobody,
        item_rows=biases[0],
    )
    hyperparameters = Hyperparameters(
        alpha=2.0, noise_shape=10.0, session_variance=0.0, session_rate=1.0, session_scale_sd=1.0
    )
    shares = GenreShares(catalog, catalog.genres)
    return ModelBundle(
        rating=RatingModel(
            mean=mean,
            item_ids=items.ids,
            item_counts=counts,
            draws=draws,
            features=features,
            hyperparameters=hyperparameters,
            state=state,
            sweeps=1,
            seed=0,
        ),
        like=LikeModel.of_counts(
            items,
            counts,
            np.bincount(rows[ratings.rating >= SCALE.like_threshold], minlength=len(items)),
            SCALE.like_threshold,
        ),
        segment=fit_segments(ratings, starts, shares, None, seed=0),
    )


def close_batch(
    folder: BatchFolder, rows: int = 100, *, shuffled: bool = False, forgets: Collection[int] = ()
) -> Manifest:
    """Publish the next batch of one stream of ratings that users' and films' biases explain; two
    partitions.

    Its last rows forget the users `forgets`.
    """
    newest = folder.newest()
    number = newest.number + 1 if newest else 1
    before = newest.next_offsets if newest else {0: 0, 1: 0}
    rng, tastes = np.random.default_rng(number), np.random.default_rng(0)
    user_bias, item_bias = tastes.normal(0, 0.4, N_USERS), tastes.normal(0, 0.8, N_ITEMS)
    user, item = rng.integers(0, N_USERS, rows), rng.integers(0, N_ITEMS, rows)
    exact = 3.2 + user_bias[user] + item_bias[item] + rng.normal(0, 0.4, rows)
    rating = np.clip(np.round(exact * 2) / 2, 0.5, 5.0)
    if shuffled:
        rng.shuffle(rating)
    last = rows - len(forgets)
    user[last:], item[last:], rating[last:] = list(forgets), NO_ITEM, np.nan
    partition = user % 2
    offset = np.zeros(rows, np.int64)
    next_offsets = {}
    for p in (0, 1):
        offset[partition == p] = before[p] + np.arange((partition == p).sum())
        next_offsets[p] = before[p] + int((partition == p).sum())
    time = 1_000_000_000 + number * 1_000_000 + np.arange(rows)
    ratings = event_columns(user, item, rating, time, partition, offset)
    manifest = Manifest(
        number=number,
        topic_id="a-topic",
        files=(folder.publish_ratings(number, ratings),),
        rejected=None,
        partitions={p: OffsetRange(before[p], next_offsets[p]) for p in (0, 1)},
        next_offsets=next_offsets,
        sources={},
        repeats=0,
        closed_at=0,
        erasures=len(forgets),
    )
    folder.publish_manifest(manifest)
    return manifest


class TrainingWorld:
    """A work folder with batches, histories, sets and a trainer over a mean engine."""

    def __init__(self, root: Path, keep: int = 5, spoiled: Collection[int] = ()) -> None:
        self.root = root
        self.batches = BatchFolder.in_folder(root / "batched_data")
        self.batches.make()
        self.histories, self.registry = (
            SnapshotStore.in_folder(root / "history"),
            ModelSetStore.in_folder(root / "models"),
        )
        self.engine = MeanEngine(spoiled)
        self.stores = TrainingStores(
            batches=self.batches, snapshots=self.histories, model_sets=self.registry
        )
        self.trainer = Trainer(
            self.stores, self.engine, FitContext(catalog=CATALOG, scale=SCALE), keep=keep
        )


def work_folder(root: Path) -> TrainingWorld:
    """A work folder in which two sets were trained on two batches, and a third batch waits."""
    world = TrainingWorld(root)
    folder = WorkFolder(root)
    folder.bind()
    CATALOG.write(folder.films)
    for _ in range(2):
        close_batch(world.batches, 2000)
        world.trainer.run_once()
    close_batch(world.batches, 2000)
    return world
