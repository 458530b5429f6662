"""The chain's work on one block of users, and on a range of items: what a cluster does at many
places at once.

A block is the ratings of a range of users, in files of its own. In a sweep its task draws moods,
user rows and user noise, and adds up what these users say of every item: the Gram matrices that its
ratings are for an item's row. Sums over all blocks are then enough to draw the items. So the
ratings never move, and no block needs the users of another.
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
from reelstream.engines.gibbs import draw_user_noise, take
from reelstream.engines.hyperparameters import log_density, precision, squared_logs
from reelstream.engines.kernels import counter_rng, session_effect
from reelstream.engines.kernels.row_draws import (
    PART,
    add_grams,
    draw_rows,
    draw_summed_rows,
    fill_regressors,
)
from reelstream.engines.training_data import Side, TrainingData
from reelstream.files import temporary_path
from reelstream.models.rating.model import Hyperparameters

_ARRAYS = {
    "users": ("ids", "starts", "others"),
    "items": ("starts", "others"),
    "": ("centred", "gaps", "by_item"),
}
"""The files of a block, by the part of its training data."""


@dataclass(frozen=True, slots=True)
class UserState:
    """The users of a block in the chain: n of them, D numbers a row."""

    rows: NDArray[np.float32]
    """(n, D)"""
    noise: NDArray[np.float64]
    """(n,): lam_u."""
    scale: NDArray[np.float64]
    """(n,): k_u."""


class BlockFolder:
    """The blocks of one fit, and their users' state after each sweep, on a disk that all tasks
    share.

    What a task writes is a function of what it reads: written again by another attempt it is the
    same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, number: int, data: TrainingData) -> None:
        """The ratings of block `number`; user rows are the block's own, item rows those of all."""
        folder = self.path / str(number)
        folder.mkdir(parents=True, exist_ok=True)
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
        no_ids = np.empty(0, np.int64)
        return TrainingData(
            Side(**loaded["users"]), Side(no_ids, **loaded["items"]), **loaded[""], mean=0.0
        )

    def write_state(self, number: int, sweep: int, state: UserState) -> None:
        """The users of a block before sweep `sweep`."""
        folder = self.path / f"sweep-{sweep}"
        folder.mkdir(parents=True, exist_ok=True)
        width = state.rows.shape[1]
        together = np.empty((len(state.rows), width + 2))
        together[:, :width], together[:, width], together[:, width + 1] = (
            state.rows,
            state.noise,
            state.scale,
        )
        _write(folder / f"{number}.npy", together)

    def read_state(self, number: int, sweep: int) -> UserState:
        """What `write_state` wrote."""
        together = np.load(self.path / f"sweep-{sweep}" / f"{number}.npy")
        rows = together[:, :-2].astype(np.float32)
        return UserState(rows, together[:, -2].copy(), together[:, -1].copy())

    def remove_state(self, sweep: int) -> None:
        """Forget the users' state before sweep `sweep`: all blocks are past it."""
        folder = self.path / f"sweep-{sweep}"
        for path in folder.glob("*.npy"):
            path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What every task of one sweep knows: I items, D numbers a row. All random numbers in common
    are drawn already.
    """

    sweep: int
    seed: int
    hyperparameters: Hyperparameters
    user_terms: NDArray[np.float32]
    """(D,): L m of every user."""
    user_precision: NDArray[np.float32]
    """(D, D)"""
    item_ids: NDArray[np.int64]
    """(I,)"""
    item_rows: NDArray[np.float32]
    """(I, D): as they were before the sweep."""
    item_terms: NDArray[np.float32]
    """(I, D): L m of each item."""
    item_precision: NDArray[np.float32]
    """(D, D)"""
    alpha_gamma: float
    """From Gamma(1 + ratings / 2)."""
    sampled: NDArray[np.int64]
    """Rows, among all users, of those whose state is wanted back, rising."""
    wants_covs: bool


@dataclass(frozen=True, slots=True)
class BlockSums:
    """What a block's users add up to after their step."""

    number: int
    n_users: int
    rows: NDArray[np.float64]
    """(D,)"""
    products: NDArray[np.float64]
    """(D, D): of every row with itself."""
    squared_logs: float
    """Of every k_u."""
    log_density: float
    """Of every lam_u."""
    squares: float
    """Of what rows and moods leave of the ratings, each user's by lam_u."""
    sampled: UserState
    """Of the users wanted back."""


@dataclass(frozen=True, slots=True)
class ItemRange:
    """Items drawn together: those from `first` on."""

    first: int
    draws: NDArray[np.float32]
    means: NDArray[np.float32]
    covs: NDArray[np.float32]
    """(n, D, D), or empty where they are not wanted."""


def gram_size(D: int) -> int:
    """Numbers in one item's Gram matrix of D + 1 regressors, which is symmetric."""
    return (D + 1) * (D + 2) // 2


@threads.one_for_blas()
def step_users(
    folder: BlockFolder, firsts: NDArray[np.int64], numbers: Iterable[int], plan: SweepPlan
) -> tuple[NDArray[np.int64], list[BlockSums]]:
    """One sweep's step of the users of these blocks: sums (I, (D+1)(D+2)/2) of Gram matrices, and a
    block's own sums.

    firsts (n_blocks,): the row of each block's first user among all. The new state is in `folder`.
    """
    n_items, D = plan.item_rows.shape
    regressors = np.empty((n_items, D + 1), np.float32)
    threads.share(fill_regressors, plan.item_rows, np.ones(n_items, np.float32), regressors)
    grams = np.zeros((n_items, gram_size(D)), np.int64)
    sums = [
        _step_block(folder, int(firsts[number]), number, plan, regressors, grams)
        for number in numbers
    ]
    return grams, sums


def _step_block(
    folder: BlockFolder,
    first_user: int,
    number: int,
    plan: SweepPlan,
    item_regressors: NDArray[np.float32],
    grams: NDArray[np.int64],
) -> BlockSums:
    data, state, h = (
        folder.read(number),
        folder.read_state(number, plan.sweep),
        plan.hyperparameters,
    )
    n, D = state.rows.shape
    by_user, by_item = _without_moods(data, state, plan)
    weight, squares = (h.alpha * state.noise).astype(np.float32), np.empty(n, np.float32)
    threads.share(
        draw_rows,
        data.users.starts,
        data.users.others,
        by_user,
        item_regressors,
        weight,
        plan.user_precision,
        np.tile(plan.user_terms, (n, 1)),
        counter_rng.stream_of(plan.seed, plan.sweep, counter_rng.USER_ROW),
        data.users.ids,
        state.rows,
        np.empty_like(state.rows),
        np.empty((0, D, D), np.float32),
        squares,
    )
    stream = counter_rng.stream_of(plan.seed, plan.sweep, counter_rng.USER_NOISE)
    exact = squares.astype(np.float64)
    draw_user_noise(
        data.users.starts, exact, h.alpha, h.noise_shape, stream, data.users.ids, state.noise
    )
    regressors = np.empty((n, D + 1), np.float32)
    threads.share(fill_regressors, state.rows, np.sqrt(state.noise).astype(np.float32), regressors)
    threads.share(add_grams, data.items.starts, data.items.others, by_item, regressors, grams)
    folder.write_state(number, plan.sweep + 1, state)
    rows = state.rows.astype(np.float64)
    wanted = (
        plan.sampled[(plan.sampled >= first_user) & (plan.sampled < first_user + n)] - first_user
    )
    return BlockSums(
        number,
        n,
        rows.sum(0),
        rows.T @ rows,
        squared_logs(state.scale),
        log_density(state.noise),
        float((exact * state.noise).sum()),
        UserState(state.rows[wanted], state.noise[wanted], state.scale[wanted]),
    )


def _without_moods(
    data: TrainingData, state: UserState, plan: SweepPlan
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The ratings less mu and a draw of the mood, by user and by item; each k_u makes its step."""
    h = plan.hyperparameters
    by_user, by_item = np.array(data.centred), np.empty_like(data.centred)
    if h.session_variance > 0:
        threads.share(
            session_effect.draw_session_effects,
            int(np.diff(data.users.starts).max()),
            data.users.starts,
            data.users.others,
            data.centred,
            data.gaps,
            state.rows,
            plan.item_rows,
            1 / (h.alpha * state.noise),
            state.scale,
            h.session_scale_sd,
            h.session_variance,
            h.session_rate,
            counter_rng.stream_of(plan.seed, plan.sweep, counter_rng.SESSION_SCALE),
            counter_rng.stream_of(plan.seed, plan.sweep, counter_rng.SESSION),
            data.users.ids,
            by_user,
        )
    threads.share(take, by_user, data.by_item, by_item)
    return by_user, by_item


def alpha_of(plan: SweepPlan, sums: Iterable[BlockSums]) -> float:
    """The precision of a rating's noise after the users' step, from the sums of all blocks, in any
    order.
    """
    return precision(
        plan.alpha_gamma, sum(each.squares for each in sorted(sums, key=lambda each: each.number))
    )


def step_items(
    plan: SweepPlan, first: int, grams: NDArray[np.int64], sums: Iterable[BlockSums]
) -> ItemRange:
    """One sweep's step of the items from `first` on: `grams` (n, (D+1)(D+2)/2) and `sums` are those
    of all blocks.
    """
    n, D = len(grams), plan.item_rows.shape[1]
    these = slice(first, first + n)
    drawn = ItemRange(
        first,
        np.empty((n, D), np.float32),
        np.empty((n, D), np.float32),
        np.empty((n if plan.wants_covs else 0, D, D), np.float32),
    )
    threads.share(
        draw_summed_rows,
        grams,
        np.full(n, alpha_of(plan, sums), np.float32),
        plan.item_precision,
        plan.item_terms[these],
        counter_rng.stream_of(plan.seed, plan.sweep, counter_rng.ITEM_ROW),
        plan.item_ids[these],
        drawn.draws,
        drawn.means,
        drawn.covs,
    )
    return drawn


def multiply_audience(
    folder: BlockFolder, numbers: Iterable[int], x: NDArray[np.float64]
) -> NDArray[np.int64]:
    """R'R x for x (I, k), R one where a user of these blocks has rated an item; in units of PART,
    so that sums are exact.
    """
    product = np.zeros(x.shape, np.int64)
    for number in numbers:
        users = folder.read(number).users
        rated = csr_array(
            (np.ones(len(users.others)), users.others, users.starts), shape=(len(users.ids), len(x))
        )
        product += np.rint(rated.T @ (rated @ x) / PART).astype(np.int64)
    return product


def _write(path: Path, array: NDArray[np.generic]) -> None:
    """In one step: another attempt at the same task may be at work."""
    temporary = temporary_path(path)
    with open(temporary, "wb") as file:
        np.save(file, array)
    os.replace(temporary, path)


def _mapped(path: Path) -> NDArray[Any]:
    # Copy-on-write and a plain ndarray: to the compiled functions no other type than an array of
    # this process.
    return np.asarray(np.load(path, mmap_mode="c"))
