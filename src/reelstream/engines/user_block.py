"""The users' step of a sweep, of users whose ratings are in memory: all of a fit, or one block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.compute import threads
from reelstream.engines.hyperparameters import (
    EchoFree,
    log_density,
    session_users,
    squared_logs,
)
from reelstream.engines.kernels.counter_rng import (
    PRIOR_WEIGHT,
    SESSION,
    SESSION_SCALE,
    USER_NOISE,
    USER_ROW,
)
from reelstream.engines.kernels.grams import RowRatings
from reelstream.engines.kernels.lane_solver import RowDraws, RowTerms
from reelstream.engines.kernels.row_draws import draw_rows, take
from reelstream.engines.kernels.row_prior import RowSums
from reelstream.engines.kernels.session_effect import SessionProcess, draw_session_effects
from reelstream.engines.kernels.user_scales import draw_user_scales
from reelstream.engines.sweep import SweepPlan, UserSums
from reelstream.engines.training_data import TrainingData
from reelstream.engines.user_draws import UserDraws


class UserBlock:
    """n users in a chain: their draws, their N ratings, and the scratch arrays of a step."""

    def __init__(self, data: TrainingData, users: UserDraws, features: NDArray[np.float64]) -> None:
        """`users` are drawn in place; features (n, 1 + n_columns): see `exposure_features`."""
        n, D = users.rows.shape
        self.data, self.users, self._features = data, users, features
        self.by_item: NDArray[np.float32] = np.empty_like(data.centred)
        """(N,): ratings less mu, echo and session effect, grouped by item."""
        self._by_user = data.centred
        self._is_grouped = False
        self._leisure = EchoFree(data.timed_ratings())
        self._means = np.empty((n, D), np.float32)
        self._squares = np.empty(n, np.float32)
        self._no_covs = np.empty((0, D, D), np.float32)

    def draw(self, plan: SweepPlan, item_regressors: NDArray[np.float32]) -> None:
        """Draw session effects, prior weights, rows and noise of every user; item_regressors (I, D
        + 1).
        """
        self._fill_targets(plan)
        self._draw_prior_weights(plan)
        side, h, prior = self.data.users, plan.hyperparameters, plan.user_prior
        threads.share(
            draw_rows,
            RowRatings(side.starts, side.others, self._by_user, item_regressors),
            RowTerms(
                (h.alpha * self.users.noise).astype(np.float32),
                prior.L.astype(np.float32),
                (self._features @ (prior.G @ prior.L)).astype(np.float32),
                self.users.prior_weight.astype(np.float32),
            ),
            plan.keys(USER_ROW, side.keys),
            RowDraws(self.users.rows, self._means, self._no_covs, self._squares),
        )
        draw_user_scales(
            np.diff(side.starts),
            h.alpha * self._squares.astype(np.float64),
            h.noise_shape,
            plan.keys(USER_NOISE, side.keys),
            self.users.noise,
        )

    def row_sums(self) -> RowSums:
        """What the users' rows and features add up to."""
        return RowSums.of(self._features, self.users.rows, self.users.prior_weight)

    def sums(self, sampled: NDArray[np.int64]) -> UserSums:
        """What the users add up to; `sampled`: rows among these users."""
        squares = self._squares.astype(np.float64)
        return UserSums(
            rows=self.row_sums(),
            squared_logs=squared_logs(self.users.scale),
            log_density=log_density(self.users.noise),
            prior_log_density=log_density(self.users.prior_weight),
            squares=float((squares * self.users.noise).sum()),
            sampled=self.users[sampled],
        )

    def _draw_prior_weights(self, plan: SweepPlan) -> None:
        """Draw every c_u given the rows as they were: how far they are from their prior means."""
        G, L = plan.user_prior.G, plan.user_prior.L
        off = self.users.rows - self._features @ G
        draw_user_scales(
            np.full(len(off), len(L)),
            ((off @ L) * off).sum(1),
            plan.hyperparameters.prior_shape,
            plan.keys(PRIOR_WEIGHT, self.data.users.keys),
            self.users.prior_weight,
        )

    def _fill_targets(self, plan: SweepPlan) -> None:
        """Take the echo and a draw of the session effects off the ratings; each k_u makes its
        step.
        """
        h, keys = plan.hyperparameters, self.data.users.keys
        if h.session_variance > 0:
            # The ratings themselves stay: each sweep takes another draw off them.
            if self._by_user is self.data.centred:
                self._by_user = np.empty_like(self.data.centred)
            threads.share(
                draw_session_effects,
                self._leisure.ratings(h.echo),
                session_users(h, self.users, plan.item_rows),
                SessionProcess(h.session_variance, h.session_rate, h.session_scale_sd),
                (plan.keys(SESSION_SCALE, keys), plan.keys(SESSION, keys)),
                self._by_user,
            )
        elif self._is_grouped:
            return  # without the effect the targets never change
        threads.share(take, self._by_user, self.data.by_item, self.by_item)
        self._is_grouped = True
