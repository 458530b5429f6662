"""Blocks: the ratings of ranges of users, in files of their own, and the chain's work on them.

This is what a cluster does in many places at once. In a sweep the task of a block draws session
effects, user rows and user noise, and adds up what these users say of every item: the Gram matrices
that its ratings are for an item's row. Sums over all blocks are then enough to draw the items. So
the ratings never move, and no block needs the users of another.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from reelstream.compute import threads
from reelstream.engines.kernels.counter_rng import ITEM_ROW
from reelstream.engines.kernels.grams import RowRatings
from reelstream.engines.kernels.lane_solver import RowTerms
from reelstream.engines.kernels.row_draws import (
    GRAM_UNIT,
    add_grams,
    draw_summed_rows,
    fill_regressors,
)
from reelstream.engines.kernels.row_prior import RowSums
from reelstream.engines.sweep import ItemRange, SweepPlan, UserSums
from reelstream.engines.training_data import Side, TrainingData
from reelstream.engines.user_block import UserBlock
from reelstream.engines.user_draws import UserDraws
from reelstream.features.audience import exposure_features
from reelstream.files import temporary_path

# About how many ratings a block has: some megabytes, and a tenth of a second's work.
BLOCK_RATINGS = 500_000

# The files of a block, by the part of its training data.
_ARRAYS = {
    "users": ("keys", "starts", "others"),
    "items": ("starts", "others"),
    "": ("centred", "gaps", "by_item"),
}


class BlockFolder:
    """The blocks of one fit, and their users after each sweep, on a disk that all tasks share.

    What a task writes is a function of what it reads: written again by another attempt, it is the
    same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the folder. Nothing else here does: a task that outlives its fit must fail."""
        self.path.mkdir()

    def write(self, number: int, data: TrainingData) -> None:
        """The ratings of block `number`; user rows are the block's own, item rows those of all."""
        folder = self.path / str(number)
        folder.mkdir(exist_ok=True)
        for part, names in _ARRAYS.items():
            for name in names:
                array = getattr(getattr(data, part) if part else data, name)
                _write(folder / f"{part}_{name}.npy", array)

    def read(self, number: int) -> TrainingData:
        """What `write` wrote, mapped."""
        loaded = {
            part: {name: _mapped(self.path / str(number) / f"{part}_{name}.npy") for name in names}
            for part, names in _ARRAYS.items()
        }
        # A block draws no items, and its ratings are stored centred: it needs neither the items'
        # keys nor the mean.
        no_keys = np.empty(0, np.int64)
        return TrainingData(
            Side(**loaded["users"]), Side(no_keys, **loaded["items"]), **loaded[""], mean=0.0
        )

    def write_users(self, number: int, sweep: int, users: UserDraws) -> None:
        """The users of a block before sweep `sweep`."""
        folder = self.path / f"sweep-{sweep}"
        folder.mkdir(exist_ok=True)
        # One float64 array, and so one file: it holds the float32 rows exactly.
        scales = users.noise, users.scale, users.prior_weight
        _write(folder / f"{number}.npy", np.column_stack([users.rows, *scales]))

    def read_users(self, number: int, sweep: int) -> UserDraws:
        """What `write_users` wrote."""
        together = np.load(self.path / f"sweep-{sweep}" / f"{number}.npy")
        rows = together[:, :-3].astype(np.float32)
        # Copied: for a column with strides numba would compile the kernels once more.
        return UserDraws(rows, *together[:, -3:].T.copy())

    def write_features(self, number: int, features: NDArray[np.float64]) -> None:
        """The side features of a block's users."""
        _write(self.path / str(number) / "features.npy", features)

    def read_features(self, number: int) -> NDArray[np.float64]:
        """What `write_features` wrote, mapped."""
        return _mapped(self.path / str(number) / "features.npy")

    def remove_users(self, sweep: int) -> None:
        """Remove the users before sweep `sweep`: all blocks have made it."""
        for path in (self.path / f"sweep-{sweep}").glob("*.npy"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class BlockSums:
    """What the users of one block add up to."""

    number: int
    sums: UserSums


def cut_blocks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each block, and n_users (n_blocks + 1,), of users with so many ratings
    (n_users,).
    """
    # A user belongs to the block in which their first rating falls, so that none is divided.
    ends = np.cumsum(counts)
    block = (ends - counts) // BLOCK_RATINGS
    firsts = np.flatnonzero(np.append(True, block[1:] != block[:-1]))
    return np.append(firsts, len(counts)).astype(np.int64)


def gram_size(D: int) -> int:
    """Numbers in one item's Gram matrix of D + 1 regressors, which is symmetric."""
    return (D + 1) * (D + 2) // 2


def joined_sums(blocks: Iterable[BlockSums]) -> UserSums:
    """The sums over the users of all blocks, which may come in any order."""
    # Sums of floats depend on the order of adding.
    parts = [each.sums for each in sorted(blocks, key=lambda each: each.number)]
    return UserSums(
        rows=RowSums.joined(part.rows for part in parts),
        squared_logs=sum(part.squared_logs for part in parts),
        log_density=sum(part.log_density for part in parts),
        prior_log_density=sum(part.prior_log_density for part in parts),
        squares=sum(part.squares for part in parts),
        sampled=UserDraws.joined([part.sampled for part in parts]),
    )


@threads.one_for_blas()
def begin_users(
    folder: BlockFolder, numbers: Iterable[int], vectors: NDArray[np.float64], sweep: int
) -> list[tuple[int, RowSums]]:
    """Write the features of the users of these blocks; the number of each, and what its users'
    features and rows before `sweep` add up to.

    vectors (I, n_columns): see `exposure_features`.
    """
    sums = []
    for number in numbers:
        side = folder.read(number).users
        features = exposure_features(side.starts, side.others, vectors)
        folder.write_features(number, features)
        users = folder.read_users(number, sweep)
        sums.append((number, RowSums.of(features, users.rows, users.prior_weight)))
    return sums


@threads.one_for_blas()
def step_users(
    folder: BlockFolder, firsts: NDArray[np.int64], numbers: Iterable[int], plan: SweepPlan
) -> tuple[NDArray[np.int64], list[BlockSums]]:
    """One sweep's step of the users of these blocks, whose draws it writes to `folder`.

    Returns the Gram matrices of all items (I, (D + 1)(D + 2) / 2), added up, and each block's own
    sums. firsts (n_blocks + 1,): the row of each block's first user among all.
    """
    n_items, D = plan.item_rows.shape
    regressors = np.empty((n_items, D + 1), np.float32)
    threads.share(fill_regressors, plan.item_rows, np.ones(n_items, np.float32), regressors)
    grams = np.zeros((n_items, gram_size(D)), np.int64)
    sums = []
    for number in numbers:
        users = folder.read_users(number, plan.sweep)
        block = UserBlock(folder.read(number), users, folder.read_features(number))
        block.draw(plan, regressors)
        _add_grams(block, grams)
        folder.write_users(number, plan.sweep + 1, block.users)
        sampled = plan.sampled[slice(*np.searchsorted(plan.sampled, firsts[number : number + 2]))]
        sums.append(BlockSums(number, block.sums(sampled - firsts[number])))
    return grams, sums


def step_items(
    plan: SweepPlan, first: int, grams: NDArray[np.int64], sums: Iterable[BlockSums]
) -> ItemRange:
    """One sweep's step of the n items from `first` on.

    `grams` (n, (D + 1)(D + 2) / 2) and `sums` are those of all blocks.
    """
    these = slice(first, first + len(grams))
    alpha = plan.alpha(joined_sums(sums).squares)
    drawn = ItemRange.room_for(first, len(grams), plan)
    threads.share(
        draw_summed_rows,
        grams,
        RowTerms(
            np.full(len(grams), alpha, np.float32),
            plan.item_precision,
            plan.item_terms[these],
            np.ones(len(grams), np.float32),
        ),
        plan.keys(ITEM_ROW, plan.item_keys[these]),
        drawn.for_kernel(),
    )
    return drawn


def multiply_audience(
    folder: BlockFolder, numbers: Iterable[int], x: NDArray[np.float64]
) -> NDArray[np.int64]:
    """R'R x in units of GRAM_UNIT, so that sums over blocks are exact, for x (I, k).

    R is one where a user of these blocks has rated an item.
    """
    product = np.zeros(x.shape, np.int64)
    for number in numbers:
        users = folder.read(number).users
        shape = len(users.keys), len(x)
        rated = csr_array((np.ones(len(users.others)), users.others, users.starts), shape=shape)
        product += np.rint(rated.T @ (rated @ x) / GRAM_UNIT).astype(np.int64)
    return product


def _add_grams(block: UserBlock, grams: NDArray[np.int64]) -> None:
    """Add to `grams` what a block says of every item."""
    n, D = block.users.rows.shape
    regressors = np.empty((n, D + 1), np.float32)
    # Without alpha, which is drawn from the squares of all blocks: `step_items` multiplies by it.
    root_weight = np.sqrt(block.users.noise).astype(np.float32)
    threads.share(fill_regressors, block.users.rows, root_weight, regressors)
    items = block.data.items
    ratings = RowRatings(items.starts, items.others, block.by_item, regressors)
    threads.share(add_grams, ratings, grams)


def _write(path: Path, array: NDArray[np.generic]) -> None:
    """In one step: another attempt at the same task may be at work."""
    temporary = temporary_path(path)
    # To a path that does not end in .npy `np.save` would add it; to an open file it adds nothing.
    with open(temporary, "wb") as file:
        np.save(file, array)
    os.replace(temporary, path)


def _mapped(path: Path) -> NDArray[Any]:
    # Copy-on-write and a plain ndarray: to compiled functions the same type as an array in memory.
    return np.asarray(np.load(path, mmap_mode="c"))
