"""The users' step of a sweep, of users whose ratings are in memory: all of a fit, or one block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.engines.hyperparameters import log_density, squared_logs
from reelstream.engines.kernels.counter_rng import (
    SESSION,
    SESSION_SCALE,
    USER_NOISE,
    USER_ROW,
)
from reelstream.engines.kernels.row_draws import RowDraws, RowRatings, RowTerms, draw_rows, take
from reelstream.engines.kernels.session_effect import (
    SessionProcess,
    SessionUsers,
    draw_session_effects,
)
from reelstream.engines.kernels.user_noise import draw_user_noise
from reelstream.engines.sweep import RowSums, SweepPlan, UserSums
from reelstream.engines.training_data import TrainingData
from reelstream.engines.user_draws import UserDraws


class UserBlock:
    """n users in a chain: their draws, their N ratings, and the scratch arrays of a step."""

    def __init__(self, data: TrainingData, users: UserDraws) -> None:
        """`users` are drawn in place."""
        n, D = users.rows.shape
        self.data, self.users = data, users
        self.by_item: NDArray[np.float32] = np.empty_like(data.centred)
        """(N,): ratings less mu and session effect, grouped by item."""
        self._by_user = data.centred
        self._is_grouped = False
        self._ratings = data.timed_ratings()
        self._means = np.empty((n, D), np.float32)
        self._squares = np.empty(n, np.float32)
        self._no_covs = np.empty((0, D, D), np.float32)

    def draw(self, plan: SweepPlan, item_regressors: NDArray[np.float32]) -> None:
        """Draw session effects, rows and noise of every user; item_regressors (I, D + 1)."""
        self._fill_targets(plan)
        side, h = self.data.users, plan.hyperparameters
        threads.share(
            draw_rows,
            RowRatings(side.starts, side.others, self._by_user, item_regressors),
            RowTerms(
                (h.alpha * self.users.noise).astype(np.float32),
                plan.user_precision,
                np.tile(plan.user_terms, (len(self.users), 1)),
            ),
            plan.keys(USER_ROW, side.ids),
            RowDraws(self.users.rows, self._means, self._no_covs, self._squares),
        )
        draw_user_noise(
            side.starts,
            self._squares.astype(np.float64),
            h.alpha,
            h.noise_shape,
            plan.keys(USER_NOISE, side.ids),
            self.users.noise,
        )

    def sums(self, rows: RowSums, sampled: NDArray[np.int64]) -> UserSums:
        """What the users add up to; `sampled`: rows among these users.

        The back end adds up their rows: each has always added in an order of its own, and a model
        set must come out again bit for bit.
        """
        squares = self._squares.astype(np.float64)
        return UserSums(
            rows=rows,
            squared_logs=squared_logs(self.users.scale),
            log_density=log_density(self.users.noise),
            squares=float((squares * self.users.noise).sum()),
            sampled=self.users[sampled],
        )

    def _fill_targets(self, plan: SweepPlan) -> None:
        """Take a draw of the session effects off the ratings; each k_u makes its step."""
        h, ids = plan.hyperparameters, self.data.users.ids
        if h.session_variance > 0:
            # The ratings themselves stay: each sweep takes another draw off them.
            if self._by_user is self.data.centred:
                self._by_user = np.empty_like(self.data.centred)
            noise_variance = 1 / (h.alpha * self.users.noise)
            threads.share(
                draw_session_effects,
                self._ratings,
                SessionUsers(self.users.rows, plan.item_rows, noise_variance, self.users.scale),
                SessionProcess(h.session_variance, h.session_rate, h.session_scale_sd),
                (plan.keys(SESSION_SCALE, ids), plan.keys(SESSION, ids)),
                self._by_user,
            )
        elif self._is_grouped:
            return  # without the effect the targets never change
        threads.share(take, self._by_user, self.data.by_item, self.by_item)
        self._is_grouped = True
