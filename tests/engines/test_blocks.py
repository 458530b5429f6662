"""The chain in blocks is the sampler's chain, to rounding; who draws which block changes
nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reelstream.catalog import Catalog
from reelstream.datasets import detect
from reelstream.engines import blocks
from reelstream.engines.block_backend import BlockBackend
from reelstream.engines.blocks import (
    BlockFolder,
    BlockSums,
    begin_users,
    cut_blocks,
    multiply_audience,
    step_items,
    step_users,
)
from reelstream.engines.chain import Chain, ItemSide
from reelstream.engines.chain_start import ChainRows, start_chain
from reelstream.engines.in_memory import InMemoryBackend
from reelstream.engines.interface import FitParameters
from reelstream.engines.kernels.row_draws import GRAM_UNIT
from reelstream.engines.kernels.row_prior import RowSums
from reelstream.engines.sweep import Backend, ItemRange, SweepPlan
from reelstream.engines.training_data import TrainingData
from reelstream.features.audience import audience_features, exposure_vectors, features_of_products
from reelstream.features.item_features import ItemFeatures
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings.columns import EventColumns

pytestmark = pytest.mark.xdist_group("blocks")  # what they share is made once

N_AUDIENCE = 30


class TasksHere:
    """Blocks dealt out to as many tasks as are wanted, each run `attempts` times."""

    def __init__(
        self, folder: BlockFolder, firsts: np.ndarray, n_tasks: int, attempts: int = 1
    ) -> None:
        self.folder, self.firsts, self.n_tasks = folder, firsts, n_tasks
        self.attempts = attempts

    def deal(self) -> list[list[int]]:
        return [
            list(range(task, len(self.firsts) - 1, self.n_tasks)) for task in range(self.n_tasks)
        ]

    def begin(self, vectors: np.ndarray, sweep: int) -> Sequence[tuple[int, RowSums]]:
        parts = [begin_users(self.folder, task, vectors, sweep) for task in self.deal()]
        return list(itertools.chain.from_iterable(parts))

    def sweep(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
        for _ in range(self.attempts):
            answer = self.sweep_once(plan)
        return answer

    def sweep_once(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
        made = [step_users(self.folder, self.firsts, numbers, plan) for numbers in self.deal()]
        sums = [each for _, parts in made for each in parts]
        grams = np.sum([gram for gram, _ in made], axis=0)
        edges = np.linspace(0, len(grams), self.n_tasks + 1).astype(int)
        return sums, [
            step_items(plan, int(first), grams[first:after], sums)
            for first, after in itertools.pairwise(edges)
        ]


class World:
    """One data set, and chains over it."""

    def __init__(
        self, ratings: EventColumns, catalog: Catalog, folder: Path, parameters: FitParameters
    ) -> None:
        self.ratings, self.root, self.parameters = ratings.by_user(), folder, parameters
        self.users, self.items = Vocabulary.of(ratings.user_id), Vocabulary.of(ratings.item_id)
        self.data = TrainingData.of(self.ratings, self.users, self.items)
        self.counts = np.diff(self.data.items.starts)
        self.audience = audience_features(
            self.data.user_rows,
            self.data.item_rows,
            len(self.users),
            self.data.items.keys,
            N_AUDIENCE,
        )
        films = [catalog.get(int(item)) for item in self.items.ids]
        encoder = ItemFeatures(catalog.genres)
        self.item_side = ItemSide(
            keys=self.data.items.keys,
            features=encoder.encode(films, self.counts, self.audience),
            groups=encoder.groups(N_AUDIENCE),
            vectors=exposure_vectors(self.audience, self.counts, len(self.users)),
        )
        self.firsts = cut_blocks(np.diff(self.data.users.starts))

    def chain(self, backend: Backend) -> Chain:
        n_ratings = len(self.ratings)
        users = ChainRows(self.users.ids, self.data.users.keys)
        items = ChainRows(self.items.ids, self.data.items.keys)
        start = start_chain(users, items, n_ratings, None, self.parameters)
        return Chain(backend, start, self.item_side, n_ratings)

    def in_memory(self) -> Chain:
        return self.chain(InMemoryBackend(self.data))

    def folder(self, name: str) -> BlockFolder:
        folder = BlockFolder(self.root / name)
        folder.create()
        for number, (first, after) in enumerate(itertools.pairwise(self.firsts)):
            users = Vocabulary(self.users.ids[first:after])
            part = self.ratings[slice(*self.data.users.starts[[first, after]])]
            folder.write(number, TrainingData.of(part, users, self.items, mean=self.data.mean))
        return folder

    def blocks(self, n_tasks: int, attempts: int = 1) -> Chain:
        folder = self.folder(f"tasks-{n_tasks}-{attempts}")
        tasks = TasksHere(folder, self.firsts, n_tasks, attempts)
        return self.chain(BlockBackend(folder, self.firsts, tasks))


@pytest.fixture
def world(movielens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A few blocks of real ratings."""
    monkeypatch.setattr(blocks, "BLOCK_RATINGS", 4000)
    dataset = detect(movielens)
    return World(
        dataset.read_ratings()[:30_000],
        dataset.read_catalog().catalog,
        tmp_path,
        FitParameters(n_factors=15),
    )


@pytest.mark.slow
@pytest.mark.parametrize("use_times", [True, False])
def test_after_one_sweep_blocks_agree_with_the_chain_in_memory(
    world: World, use_times: bool
) -> None:
    """Rows, covariances, users' noise, session scale and prior weights, and what all have in
    common.
    """
    world.parameters = replace(world.parameters, use_times=use_times)
    assert len(world.firsts) > 4
    whole, in_blocks = world.in_memory(), world.blocks(2)
    for chain in (whole, in_blocks):
        chain.sweep(wants_covs=True)
    for name in ("rows", "noise", "scale", "prior_weight"):
        ours, theirs = (getattr(chain.users(), name) for chain in (in_blocks, whole))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    for name in ("draws", "means", "covs"):
        ours, theirs = (getattr(chain.items, name) for chain in (in_blocks, whole))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    ours, theirs = in_blocks.hyperparameters, whole.hyperparameters
    assert ours.alpha == pytest.approx(theirs.alpha, rel=1e-5)
    assert ours.noise_shape == theirs.noise_shape and ours.prior_shape == theirs.prior_shape
    assert ours.exposure_precision == pytest.approx(theirs.exposure_precision, rel=1e-4)
    assert ours.session_scale_sd == pytest.approx(theirs.session_scale_sd)


def test_who_draws_which_block_changes_nothing(world: World) -> None:
    """One task or three: after four sweeps every bit is the same."""
    chains = [world.blocks(1), world.blocks(3)]
    for chain in chains:
        for _ in range(4):
            chain.sweep()
    one, three = chains
    assert np.array_equal(one.items.draws, three.items.draws)
    assert np.array_equal(one.users().rows, three.users().rows)
    assert one.hyperparameters == three.hyperparameters


def test_a_step_made_again_is_the_same_step(world: World) -> None:
    """What a second attempt at a task finds and leaves is what the first did."""
    once, twice = world.blocks(2), world.blocks(2, attempts=2)
    for _ in range(2):
        once.sweep()
        twice.sweep()
    assert np.array_equal(once.users().rows, twice.users().rows)
    assert np.array_equal(once.items.draws, twice.items.draws)


def test_a_task_that_outlives_its_fit_writes_nothing(world: World, tmp_path: Path) -> None:
    """A killed driver's folder that was removed does not come back."""
    folder = BlockFolder(tmp_path / "blocks")
    with pytest.raises(FileNotFoundError):
        folder.write(0, world.data)
    assert not folder.path.exists()


def test_audiences_add_up(world: World) -> None:
    """Features of films by products over blocks are those over all ratings."""
    folder = world.folder("audience")
    numbers = range(len(world.firsts) - 1)
    features = features_of_products(
        lambda x: multiply_audience(folder, numbers, x) * GRAM_UNIT,
        world.counts,
        len(world.users),
        world.data.items.keys,
        N_AUDIENCE,
    )
    np.testing.assert_allclose(features, world.audience, atol=1e-4)


def test_blocks_are_cut_by_their_ratings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between users, the last of a block being the one that fills it; one user may be more than a
    block.
    """
    monkeypatch.setattr(blocks, "BLOCK_RATINGS", 10)
    assert cut_blocks(np.array([4, 4, 4, 4, 25, 1, 1])).tolist() == [0, 3, 5, 7]
    assert cut_blocks(np.array([1])).tolist() == [0, 1]
