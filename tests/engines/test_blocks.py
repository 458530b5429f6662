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
from reelstream.engines import block_chain
from reelstream.engines.block_chain import BlockChain, cut_blocks
from reelstream.engines.blocks import (
    BlockFolder,
    BlockSums,
    ItemRange,
    SweepPlan,
    multiply_audience,
    step_items,
    step_users,
)
from reelstream.engines.chain import start_chain
from reelstream.engines.gibbs import Sampler
from reelstream.engines.interface import FitParameters
from reelstream.engines.kernels.row_draws import PART
from reelstream.engines.training_data import TrainingData
from reelstream.features.audience import audience_features, features_of_products
from reelstream.features.item_features import ItemFeatures
from reelstream.features.vocabulary import Vocabulary
from reelstream.ratings.columns import EventColumns


class TasksHere:
    """Blocks dealt out to as many tasks as are wanted, one after the other."""

    def __init__(self, folder: BlockFolder, firsts: np.ndarray, n_tasks: int) -> None:
        self.folder, self.firsts, self.n_tasks = folder, firsts, n_tasks

    def deal(self) -> list[list[int]]:
        return [
            list(range(task, len(self.firsts) - 1, self.n_tasks)) for task in range(self.n_tasks)
        ]

    def sweep(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
        made = [step_users(self.folder, self.firsts[:-1], numbers, plan) for numbers in self.deal()]
        sums = [each for _, parts in made for each in parts]
        grams = np.sum([gram for gram, _ in made], axis=0)
        edges = np.linspace(0, len(grams), self.n_tasks + 1).astype(int)
        ranges = itertools.pairwise(edges)
        return sums, [
            step_items(plan, int(first), grams[first:after], sums) for first, after in ranges
        ]


class World:
    """One data set, and chains over it."""

    def __init__(
        self, ratings: EventColumns, catalog: Catalog, folder: Path, parameters: FitParameters
    ) -> None:
        self.ratings, self.root, self.parameters = ratings.by_user(), folder, parameters
        self.users, self.items = Vocabulary.of(ratings.user_id), Vocabulary.of(ratings.item_id)
        self.user_rows = self.users.rows(self.ratings.user_id)
        self.item_rows = self.items.rows(self.ratings.item_id)
        self.counts = np.bincount(self.item_rows)
        self.audience = audience_features(
            self.user_rows, self.item_rows, len(self.users), len(self.items)
        )
        films = [catalog.get(int(item)) for item in self.items.ids]
        self.features = ItemFeatures(catalog.genres).encode(films, self.counts, self.audience)
        self.mean = float(self.ratings.rating.mean(dtype=np.float64))
        self.firsts = cut_blocks(np.bincount(self.user_rows))

    def start(self) -> object:
        return start_chain(self.users.ids, self.items.ids, len(self.ratings), None, self.parameters)

    def sampler(self) -> Sampler:
        ratings = self.ratings
        data = TrainingData.of(
            self.users.ids,
            self.user_rows,
            self.items.ids,
            self.item_rows,
            ratings.rating,
            ratings.timestamp,
        )
        return Sampler(data, self.features, self.start())

    def folder(self, name: str) -> BlockFolder:
        folder = BlockFolder(self.root / name)
        for number, (first, after) in enumerate(itertools.pairwise(self.firsts)):
            these = slice(*np.searchsorted(self.user_rows, [first, after]))
            part = self.ratings[these]
            ids = self.users.ids[first:after]
            rows = self.user_rows[these] - first
            folder.write(
                number,
                TrainingData.of(
                    ids,
                    rows,
                    self.items.ids,
                    self.item_rows[these],
                    part.rating,
                    part.timestamp,
                    self.mean,
                ),
            )
        return folder

    def blocks(self, n_tasks: int) -> BlockChain:
        folder = self.folder(f"tasks-{n_tasks}")
        tasks = TasksHere(folder, self.firsts, n_tasks)
        return BlockChain(
            folder,
            self.firsts,
            tasks,
            self.items.ids,
            self.features,
            len(self.ratings),
            self.start(),
        )


@pytest.fixture
def world(movielens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A few blocks of real ratings."""
    monkeypatch.setattr(block_chain, "BLOCK_RATINGS", 4000)
    dataset = detect(movielens)
    return World(
        dataset.read_ratings()[:30_000], dataset.read_catalog().catalog, tmp_path, FitParameters()
    )


@pytest.mark.parametrize("use_times", [True, False])
def test_after_one_sweep_blocks_agree_with_the_sampler(world: World, use_times: bool) -> None:
    """Rows, covariances, users' noise and mood, and what all have in common."""
    world.parameters = replace(world.parameters, use_times=use_times)
    sampler, blocks = world.sampler(), world.blocks(2)
    assert len(world.firsts) > 4
    n, D = sampler.items.draws.shape
    covs, block_covs = np.empty((n, D, D), np.float32), np.empty((n, D, D), np.float32)
    sampler.sweep(covs)
    blocks.sweep(block_covs)
    state = blocks.user_state()
    for ours, theirs in (
        (state.rows, sampler.users.draws),
        (state.noise, sampler.user_noise),
        (state.scale, sampler.session_scale),
        (blocks.items.draws, sampler.items.draws),
        (blocks.items.means, sampler.items.means),
        (block_covs, covs),
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert blocks.hyperparameters.alpha == pytest.approx(sampler.hyperparameters.alpha, rel=1e-5)
    assert blocks.hyperparameters.noise_shape == sampler.hyperparameters.noise_shape
    assert blocks.hyperparameters.session_scale_sd == pytest.approx(
        sampler.hyperparameters.session_scale_sd
    )


def test_who_draws_which_block_changes_nothing(world: World) -> None:
    """One task or three: after four sweeps every bit is the same."""
    chains = [world.blocks(1), world.blocks(3)]
    for chain in chains:
        for _ in range(4):
            chain.sweep()
    one, three = chains
    assert np.array_equal(one.items.draws, three.items.draws)
    assert np.array_equal(one.user_state().rows, three.user_state().rows)
    assert one.hyperparameters == three.hyperparameters


def test_a_step_made_again_is_the_same_step(world: World) -> None:
    """What a second attempt at a task finds and leaves is what the first did."""
    chain = world.blocks(2)
    tasks, chain._tasks = chain._tasks, None
    plans: list[SweepPlan] = []

    class Twice:
        def sweep(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
            plans.append(plan)
            tasks.sweep(plan)
            return tasks.sweep(plan)

    chain._tasks = Twice()
    once = world.blocks(1)
    for _ in range(2):
        chain.sweep()
        once.sweep()
    assert len(plans) == 2
    assert np.array_equal(chain.user_state().rows, once.user_state().rows)


def test_audiences_add_up(world: World) -> None:
    """Features of films by products over blocks are those over all ratings."""
    folder = world.folder("audience")
    numbers = range(len(world.firsts) - 1)
    features = features_of_products(
        lambda x: multiply_audience(folder, numbers, x) * PART, world.counts, len(world.users)
    )
    np.testing.assert_allclose(features, world.audience, atol=1e-4)


def test_blocks_are_cut_by_their_ratings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between users, the last of a block being the one that fills it; one user may be more than a
    block.
    """
    monkeypatch.setattr(block_chain, "BLOCK_RATINGS", 10)
    assert cut_blocks(np.array([4, 4, 4, 4, 25, 1, 1])).tolist() == [0, 3, 5, 7]
    assert cut_blocks(np.array([1])).tolist() == [0, 1]
