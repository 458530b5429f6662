"""The chain of ratings in blocks: what all have in common is drawn here, rows and moods where the
blocks are.

It draws what the sampler draws, from the same random numbers: the same chain, to rounding. Its
memory is that of the users and items, and of the sample of users that the mood's (q, rate) is
learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from reelstream.engines.blocks import (
    BlockFolder,
    BlockSums,
    ItemRange,
    SweepPlan,
    UserState,
    alpha_of,
)
from reelstream.engines.chain import ChainStart
from reelstream.engines.gibbs import Rows
from reelstream.engines.hyperparameters import (
    MAX_SHAPE_RATINGS,
    SessionShape,
    noise_shape,
    session_scale_sd,
)
from reelstream.engines.kernels.row_prior import RowPrior
from reelstream.engines.training_data import Side, TrainingData

BLOCK_RATINGS = 500_000
"""About how many ratings lie in one block: some megabytes, and a tenth of a second's work."""


class BlockTasks(Protocol):
    """Whoever brings a plan to all blocks, and their sums to the items."""

    def sweep(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
        """`step_users` of every block, then `step_items` of every item, each in any parts and
        order.
        """


@dataclass(slots=True)
class UserPrior:
    """Mean and precision of the users' rows."""

    G: NDArray[np.float64]
    """(1, D)"""
    L: NDArray[np.float64]
    """(D, D)"""


class BlockChain:
    """A chain whose ratings and users' states are in a folder of blocks."""

    def __init__(
        self,
        folder: BlockFolder,
        firsts: NDArray[np.int64],
        tasks: BlockTasks,
        item_ids: NDArray[np.int64],
        item_features: NDArray[np.float64],
        n_ratings: int,
        start: ChainStart,
    ) -> None:
        """`firsts` (n_blocks + 1,): the row of each block's first user among all, and their
        number.
        """
        self.hyperparameters, self.seed, self.sweeps = (
            start.hyperparameters,
            start.seed,
            start.sweeps,
        )
        self._folder, self._firsts, self._tasks, self._item_ids = folder, firsts, tasks, item_ids
        self._n_ratings, self._n_users = n_ratings, int(firsts[-1])
        self.users = UserPrior(
            np.zeros((1, start.user_rows.shape[1])), np.eye(start.user_rows.shape[1])
        )
        self.items = Rows.start(start.item_rows, item_features.shape[1])
        self._user_prior, self._item_prior = (
            RowPrior(np.ones((self._n_users, 1))),
            RowPrior(item_features),
        )
        rows = start.user_rows.astype(np.float64)
        self._sum, self._products = rows.sum(0), rows.T @ rows
        for number in range(len(firsts) - 1):
            these = slice(firsts[number], firsts[number + 1])
            state = UserState(
                start.user_rows[these], start.user_noise[these], start.session_scale[these]
            )
            folder.write_state(number, self.sweeps, state)
        self._sampled = np.arange(0, self._n_users, n_ratings // MAX_SHAPE_RATINGS + 1)
        self._sample = UserState(
            start.user_rows[self._sampled],
            start.user_noise[self._sampled],
            start.session_scale[self._sampled],
        )
        self._mood_shape = SessionShape(
            _read_users(folder, firsts, self._sampled), np.arange(len(self._sampled))
        )

    def sweep(self, item_covs: NDArray[np.float32] | None = None) -> None:
        """One sweep, in the order of `gibbs`. `item_covs` (I, D, D) receives the items' conditional
        covariances.
        """
        generator = np.random.default_rng([self.seed, self.sweeps])
        has_session = self.hyperparameters.session_variance > 0
        if has_session:
            sample = self._sample
            self.hyperparameters = self._mood_shape.draw(
                self.hyperparameters,
                sample.rows,
                self.items.draws,
                sample.noise,
                sample.scale,
                generator,
            )
        scale_gamma = generator.standard_gamma(1 + self._n_users / 2) if has_session else 0.0
        users, items = self.users, self.items
        users.G, users.L = self._user_prior.draw_from(
            self._n_users, self._sum[None], self._products, generator
        )
        alpha_gamma, uniform = generator.standard_gamma(1 + self._n_ratings / 2), generator.random()
        items.G, items.L = self._item_prior.draw(items.draws, generator)
        plan = SweepPlan(
            self.sweeps,
            self.seed,
            self.hyperparameters,
            (users.G @ users.L)[0].astype(np.float32),
            users.L.astype(np.float32),
            self._item_ids,
            items.draws,
            self._item_prior.terms(items.G, items.L),
            items.L.astype(np.float32),
            alpha_gamma,
            self._sampled,
            item_covs is not None,
        )
        sums, drawn = self._tasks.sweep(plan)
        self._take(
            plan,
            sorted(sums, key=lambda each: each.number),
            uniform,
            scale_gamma if has_session else None,
        )
        for part in drawn:
            these = slice(part.first, part.first + len(part.draws))
            items.draws[these], items.means[these] = part.draws, part.means
            if item_covs is not None:
                item_covs[these] = part.covs
        self._folder.remove_state(self.sweeps)
        self.sweeps += 1

    def user_state(self) -> UserState:
        """All users' rows, noise and k as the chain left them."""
        parts = [
            self._folder.read_state(number, self.sweeps) for number in range(len(self._firsts) - 1)
        ]
        return _joined(parts)

    def _take(
        self, plan: SweepPlan, sums: Sequence[BlockSums], uniform: float, scale_gamma: float | None
    ) -> None:
        """Let what the blocks add up to, in their order, change what all users have in common."""
        h = self.hyperparameters
        if scale_gamma is not None:
            h = structs.replace(
                h,
                session_scale_sd=session_scale_sd(
                    scale_gamma, sum(each.squared_logs for each in sums)
                ),
            )
        shape = noise_shape(uniform, self._n_users, sum(each.log_density for each in sums))
        self.hyperparameters = structs.replace(h, alpha=alpha_of(plan, sums), noise_shape=shape)
        self._sum = np.sum([each.rows for each in sums], axis=0)
        self._products = np.sum([each.products for each in sums], axis=0)
        self._sample = _joined([each.sampled for each in sums])


def cut_blocks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of users with these counts of ratings (n_users,), the rows of each block's first, and
    n_users: (n_blocks + 1,).
    """
    ends = np.cumsum(counts)
    block = (ends - counts) // BLOCK_RATINGS
    firsts = np.flatnonzero(np.append(True, block[1:] != block[:-1]))
    return np.append(firsts, len(counts)).astype(np.int64)


def _joined(states: Sequence[UserState]) -> UserState:
    rows, noise, scale = (
        np.concatenate([getattr(state, name) for state in states]) for name in UserState.__slots__
    )
    return UserState(rows, noise, scale)


def _read_users(
    folder: BlockFolder, firsts: NDArray[np.int64], rows: NDArray[np.int64]
) -> TrainingData:
    """What these users (rows among all, rising) rated, in order of time; nothing by item."""
    ids, counts, others, centred, gaps = [], [], [], [], []
    for number in range(len(firsts) - 1):
        data = folder.read(number)
        for row in (
            rows[(rows >= firsts[number]) & (rows < firsts[number + 1])] - firsts[number]
        ).tolist():
            these = slice(data.users.starts[row], data.users.starts[row + 1])
            ids.append(data.users.ids[row])
            counts.append(these.stop - these.start)
            # a view would keep the whole block mapped
            others.append(data.users.others[these].copy())
            centred.append(data.centred[these].copy())
            gaps.append(data.gaps[these].copy())
    nothing = np.empty(0, np.int64)
    users = Side(np.array(ids), np.concatenate([[0], np.cumsum(counts)]), np.concatenate(others))
    return TrainingData(
        users,
        Side(nothing, nothing, nothing.astype(np.int32)),
        np.concatenate(centred),
        np.concatenate(gaps),
        nothing.astype(np.uint32),
        0.0,
    )
