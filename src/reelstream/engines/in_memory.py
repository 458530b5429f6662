"""The back end of a local fit: all users are one block, and nothing leaves memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.engines.kernels.counter_rng import ITEM_ROW
from reelstream.engines.kernels.grams import RowRatings
from reelstream.engines.kernels.lane_solver import RowTerms
from reelstream.engines.kernels.row_draws import draw_rows, fill_regressors
from reelstream.engines.kernels.row_prior import RowSums
from reelstream.engines.sweep import ItemRange, SweepPlan, UserSums
from reelstream.engines.training_data import TrainingData
from reelstream.engines.user_block import UserBlock
from reelstream.engines.user_draws import UserDraws
from reelstream.features.audience import exposure_features


class InMemoryBackend:
    """Draws items straight from the ratings, where blocks have to add up Gram matrices."""

    def __init__(self, data: TrainingData) -> None:
        self._data = data
        self._block: UserBlock

    def begin(self, users: UserDraws, vectors: NDArray[np.float64], sweep: int) -> RowSums:
        """See `Backend.begin`."""
        n_items, D = len(self._data.items.keys), users.rows.shape[1]
        side = self._data.users
        features = exposure_features(side.starts, side.others, vectors)
        self._block = UserBlock(self._data, users, features)
        self._user_regressors = np.empty((len(users), D + 1), np.float32)
        self._item_regressors = np.empty((n_items, D + 1), np.float32)
        self._ones = np.ones(n_items, np.float32)
        return self._block.row_sums()

    def ratings_of(self, users: NDArray[np.int64]) -> TrainingData:
        """See `Backend.ratings_of`."""
        return self._data.of_users(users)

    def sweep(self, plan: SweepPlan) -> tuple[UserSums, ItemRange]:
        """See `Backend.sweep`."""
        threads.share(fill_regressors, plan.item_rows, self._ones, self._item_regressors)
        self._block.draw(plan, self._item_regressors)
        sums = self._block.sums(plan.sampled)
        return sums, self._draw_items(plan, plan.alpha(sums.squares))

    def users(self) -> UserDraws:
        """See `Backend.users`."""
        return self._block.users

    def _draw_items(self, plan: SweepPlan, alpha: float) -> ItemRange:
        side, users = self._data.items, self._block.users
        # The whole weight of a rating is in the regressors, so that an item's own is one.
        root_weight = np.sqrt(alpha * users.noise).astype(np.float32)
        threads.share(fill_regressors, users.rows, root_weight, self._user_regressors)
        drawn = ItemRange.room_for(0, len(side.keys), plan)
        threads.share(
            draw_rows,
            RowRatings(side.starts, side.others, self._block.by_item, self._user_regressors),
            RowTerms(self._ones, plan.item_precision, plan.item_terms, self._ones),
            plan.keys(ITEM_ROW, plan.item_keys),
            drawn.for_kernel(),
        )
        return drawn
