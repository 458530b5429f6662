"""What a chain and its back end say to each other in one sweep.

The chain draws everything that users have in common, and makes a plan of it. The back end, which
has the ratings, draws users and items by that plan, and answers with sums over all users and with
the items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reelstream.engines.hyperparameters import precision
from reelstream.engines.kernels.counter_rng import RowKeys, stream_of
from reelstream.engines.kernels.lane_solver import RowDraws
from reelstream.engines.kernels.row_prior import PriorDraw, RowSums
from reelstream.engines.training_data import TrainingData
from reelstream.engines.user_draws import UserDraws
from reelstream.models.rating.model import Hyperparameters


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """What everyone who draws knows of one sweep: I items, D numbers a row.

    All random numbers in common are drawn already.
    """

    sweep: int
    """The chain's sweeps before it; it keys the noise."""
    seed: int
    hyperparameters: Hyperparameters
    user_prior: PriorDraw
    item_keys: NDArray[np.int64]
    """(I,): see `Side.keys`."""
    item_rows: NDArray[np.float32]
    """(I, D): as they were before the sweep."""
    item_terms: NDArray[np.float32]
    """(I, D): L m of each item."""
    item_precision: NDArray[np.float32]
    """(D, D)"""
    alpha_gamma: float
    """From Gamma(1 + ratings / 2)."""
    sampled: NDArray[np.int64]
    """Rows, among all users, of those whose draws the chain wants back, rising."""
    wants_covs: bool
    """Whether the items' covariances are wanted."""

    def keys(self, purpose: np.uint64, keys: NDArray[np.int64]) -> RowKeys:
        """What keys the random numbers for one purpose of rows with these keys (n,)."""
        return RowKeys(stream_of(self.seed, self.sweep, purpose), keys)

    def alpha(self, squares: float) -> float:
        """The precision of a rating's noise, given `UserSums.squares` of all users."""
        return precision(self.alpha_gamma, squares)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSums:
    """Sums over users after their step."""

    rows: RowSums
    squared_logs: float
    """Of every k_u."""
    log_density: float
    """Of every lam_u."""
    prior_log_density: float
    """Of every c_u."""
    squares: float
    """Of what rows and session effects leave of the ratings, each user's weighted by lam_u."""
    sampled: UserDraws
    """Of the users that the chain wants back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRange:
    """Items drawn together: n of them, from `first` on."""

    first: int
    draws: NDArray[np.float32]
    """(n, D)"""
    means: NDArray[np.float32]
    """(n, D): conditional means, given the users."""
    covs: NDArray[np.float32]
    """(n, D, D): conditional covariances; empty where they are not wanted."""

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> ItemRange:
        """All items as they are before a sweep."""
        return cls(
            first=0, draws=rows, means=rows, covs=np.empty((0, *rows.shape[1:] * 2), np.float32)
        )

    @classmethod
    def room_for(cls, first: int, n: int, plan: SweepPlan) -> ItemRange:
        """Arrays for n items that are still to be drawn."""
        D = plan.item_rows.shape[1]
        return cls(
            first=first,
            draws=np.empty((n, D), np.float32),
            means=np.empty((n, D), np.float32),
            covs=np.empty((n if plan.wants_covs else 0, D, D), np.float32),
        )

    @classmethod
    def joined(cls, ranges: Sequence[ItemRange]) -> ItemRange:
        """Ranges that follow each other, in any order, as one."""
        # Tasks end in any order.
        ranges = sorted(ranges, key=lambda each: each.first)
        arrays = {
            field.name: np.concatenate([getattr(each, field.name) for each in ranges])
            for field in fields(cls)
            if field.name != "first"
        }
        return cls(first=ranges[0].first, **arrays)

    def for_kernel(self) -> RowDraws:
        """Where `draw_rows` writes; it computes no squares for items."""
        return RowDraws(self.draws, self.means, self.covs, np.empty(0, np.float32))


class Backend(Protocol):
    """Has the ratings and the users of one chain, and draws its users and items."""

    def begin(self, users: UserDraws, vectors: NDArray[np.float64], sweep: int) -> RowSums:
        """Take the users as they are before `sweep`; the sums of their rows and features.

        The arrays of `users` are the back end's from then on: it may change them. Features are
        those of `exposure_features`, made of the items' `vectors` (I, n_columns).
        """

    def ratings_of(self, users: NDArray[np.int64]) -> TrainingData:
        """What these users (rows, rising) rated, in order of time; nothing grouped by item."""

    def sweep(self, plan: SweepPlan) -> tuple[UserSums, ItemRange]:
        """Draw every user, then every item."""

    def users(self) -> UserDraws:
        """All users as the last sweep left them."""
