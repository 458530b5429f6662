"""The back end of a chain whose ratings and users are in a folder of blocks.

Its memory is that of the users' and items' rows, never that of the ratings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reelstream.engines.blocks import BlockFolder, BlockSums, joined_sums
from reelstream.engines.kernels.row_prior import RowSums
from reelstream.engines.sweep import ItemRange, SweepPlan, UserSums
from reelstream.engines.training_data import TrainingData
from reelstream.engines.user_draws import UserDraws


class BlockRunner(Protocol):
    """Runs the steps of a sweep where the blocks are."""

    def begin(self, vectors: NDArray[np.float64], sweep: int) -> Sequence[tuple[int, RowSums]]:
        """`begin_users` of every block, in any parts and order."""

    def sweep(self, plan: SweepPlan) -> tuple[Sequence[BlockSums], Sequence[ItemRange]]:
        """`step_users` of every block, then `step_items` of every item, each in any parts and
        order.
        """


class BlockBackend:
    """Brings plans to the blocks, and what they add up to back to the chain."""

    def __init__(self, folder: BlockFolder, firsts: NDArray[np.int64], runner: BlockRunner) -> None:
        """`firsts` (n_blocks + 1,): the row of each block's first user among all, and n_users."""
        self._folder, self._firsts, self._runner = folder, firsts, runner
        self._numbers = range(len(firsts) - 1)
        self._sweep = 0

    def begin(self, users: UserDraws, vectors: NDArray[np.float64], sweep: int) -> RowSums:
        """See `Backend.begin`."""
        self._sweep = sweep
        for number in self._numbers:
            self._folder.write_users(number, sweep, users[self._users_of(number)])
        # Sums of floats depend on the order of adding.
        parts = sorted(self._runner.begin(vectors, sweep), key=lambda part: part[0])
        return RowSums.joined(sums for _, sums in parts)

    def ratings_of(self, users: NDArray[np.int64]) -> TrainingData:
        """See `Backend.ratings_of`."""
        # Blocks are ranges of users, and `users` rise: the parts come in their order.
        parts = []
        for number in self._numbers:
            these = self._users_of(number)
            chosen = users[(users >= these.start) & (users < these.stop)] - these.start
            parts.append(self._folder.read(number).of_users(chosen))
        return TrainingData.joined(parts)

    def sweep(self, plan: SweepPlan) -> tuple[UserSums, ItemRange]:
        """See `Backend.sweep`."""
        sums, items = self._runner.sweep(plan)
        # Not sooner: a task that is attempted again reads its users again.
        self._folder.remove_users(plan.sweep)
        self._sweep = plan.sweep + 1
        return joined_sums(sums), ItemRange.joined(items)

    def users(self) -> UserDraws:
        """See `Backend.users`."""
        return UserDraws.joined(
            [self._folder.read_users(number, self._sweep) for number in self._numbers]
        )

    def _users_of(self, number: int) -> slice:
        return slice(int(self._firsts[number]), int(self._firsts[number + 1]))
