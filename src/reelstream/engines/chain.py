"""The Gibbs chain of the rating model, wherever its ratings are.

One sweep; each step is conditional on the newest draws of the others:

1. (q, rate) of the session effect by Metropolis, with every effect integrated out; in every fourth
   sweep the weights of the echo, given a draw of the effects
2. every user's k_u, by Metropolis with the effect integrated out, and the effect f_u
3. (G, L) of the users' prior and the precision of its weights, every user's c_u and its shape, then
   every user row
4. every user's noise lam_u, its shape nu, and the precision alpha
5. (G, L) of the items' prior and the precisions of its weights, then every item row

Rows, effects and noise are those of ratings without their echoes (`models.rating.echo`), whose
noise is taken for that of any other rating. There are no steps 1 and 2 where times do not count
(`session_variance` is 0). This module draws what all users have in common; a back end draws users
and items. All back ends use the same random numbers, so their chains agree to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from reelstream.engines.chain_start import ChainStart
from reelstream.engines.hyperparameters import (
    MAX_SHAPE_RATINGS,
    SampledSteps,
    scale_shape,
    session_scale_sd,
)
from reelstream.engines.kernels.counter_rng import ECHO, stream_of
from reelstream.engines.kernels.row_prior import (
    PriorDraw,
    SideFeatures,
    draw_group_precisions,
    draw_prior,
    spread_out,
)
from reelstream.engines.sweep import Backend, ItemRange, SweepPlan, UserSums
from reelstream.engines.user_draws import UserDraws
from reelstream.models.rating.model import Hyperparameters

# The weights of the echo hardly move from sweep to sweep, and finding them takes as long as a fifth
# of one.
SWEEPS_PER_ECHO = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSide:
    """The items of a chain: I of them."""

    keys: NDArray[np.int64]
    """(I,): see `Side.keys`."""
    features: NDArray[np.float64]
    """(I, n_features), the first column one."""
    groups: NDArray[np.int64]
    """(n_features,): which columns' weights share a precision; -1 is one."""
    vectors: NDArray[np.float64]
    """(I, n_columns): what an item adds to the features of who rates it: see `exposure_vectors`."""


class Chain:
    """A chain: its state, and the step from one sweep to the next."""

    user_prior: PriorDraw
    """As drawn in the last sweep."""
    item_prior: PriorDraw
    """As drawn in the last sweep."""

    def __init__(
        self, backend: Backend, start: ChainStart, items: ItemSide, n_ratings: int
    ) -> None:
        """A chain that begins at `start`, whose users become the back end's."""
        self.hyperparameters, self.seed, self.sweeps = (
            start.hyperparameters,
            start.seed,
            start.sweeps,
        )
        self.items = ItemRange.of(start.item_rows)
        self._backend, self._item_keys, self._n_ratings = backend, items.keys, n_ratings
        self._n_users = len(start.users)
        self._item_features, self._item_groups = SideFeatures(items.features), items.groups
        # The intercept, and what the user chose to rate.
        self._user_groups = np.repeat([-1, 0], [1, items.vectors.shape[1]])
        self._sampled = np.sort(start.users_by_key[:: n_ratings // MAX_SHAPE_RATINGS + 1])
        self._sample = start.users[self._sampled]
        self._row_sums = backend.begin(start.users, items.vectors, start.sweeps)
        self._sampled_steps = SampledSteps(backend.ratings_of(self._sampled))

    def users(self) -> UserDraws:
        """All users as the last sweep left them."""
        return self._backend.users()

    def sweep(self, *, wants_covs: bool = False) -> None:
        """One sweep; `wants_covs`: whether to store the items' conditional covariances too."""
        # Keep the order in which random numbers are drawn: a rebuilt set must have the same bytes.
        generator = np.random.default_rng([self.seed, self.sweeps])
        has_session = self.hyperparameters.session_variance > 0
        if has_session:
            self._draw_of_sample(generator)
        scale_gamma = generator.standard_gamma(1 + self._n_users / 2) if has_session else None
        # Before the users' step, which leaves the item rows as they are: one plan then holds all.
        self._draw_priors(generator)
        alpha_gamma = generator.standard_gamma(1 + self._n_ratings / 2)
        noise_uniform, prior_uniform = generator.random(2)
        plan = self._plan(alpha_gamma, wants_covs=wants_covs)
        sums, self.items = self._backend.sweep(plan)
        self._row_sums, self._sample = sums.rows, sums.sampled
        self.hyperparameters = structs.replace(
            self._with_scale_sd(scale_gamma, sums),
            alpha=plan.alpha(sums.squares),
            noise_shape=scale_shape(noise_uniform, self._n_users, sums.log_density),
            prior_shape=scale_shape(prior_uniform, self._n_users, sums.prior_log_density),
        )
        self.sweeps += 1

    def _draw_of_sample(self, generator: np.random.Generator) -> None:
        """(q, rate) of the session effect, and now and then the echo."""
        steps, sample, items = self._sampled_steps, self._sample, self.items.draws
        self.hyperparameters = steps.draw_session(self.hyperparameters, sample, items, generator)
        # Not in the first sweep of a cold chain, whose rows say nothing.
        if self.sweeps % SWEEPS_PER_ECHO == 1:
            stream = stream_of(self.seed, self.sweeps, ECHO)
            self.hyperparameters = steps.with_echo(self.hyperparameters, sample, items, stream)

    def _draw_priors(self, generator: np.random.Generator) -> None:
        """(G, L) of both sides given the rows, then the precisions of the groups of weights."""
        h = self.hyperparameters
        self.user_prior = draw_prior(
            self._row_sums,
            self._n_users,
            spread_out((h.exposure_precision,), self._user_groups),
            generator,
        )
        self.item_prior = draw_prior(
            self._item_features.sums(self.items.draws),
            len(self._item_keys),
            spread_out(h.item_precisions, self._item_groups),
            generator,
        )
        (exposure_precision,) = draw_group_precisions(self.user_prior, self._user_groups, generator)
        self.hyperparameters = structs.replace(
            h,
            exposure_precision=exposure_precision,
            item_precisions=draw_group_precisions(self.item_prior, self._item_groups, generator),
        )

    def _plan(self, alpha_gamma: float, *, wants_covs: bool) -> SweepPlan:
        return SweepPlan(
            sweep=self.sweeps,
            seed=self.seed,
            hyperparameters=self.hyperparameters,
            user_prior=self.user_prior,
            item_keys=self._item_keys,
            item_rows=self.items.draws,
            item_terms=self._item_features.terms(self.item_prior),
            item_precision=self.item_prior.L.astype(np.float32),
            alpha_gamma=alpha_gamma,
            sampled=self._sampled,
            wants_covs=wants_covs,
        )

    def _with_scale_sd(self, scale_gamma: float | None, sums: UserSums) -> Hyperparameters:
        if scale_gamma is None:
            return self.hyperparameters
        scale_sd = session_scale_sd(scale_gamma, sums.squared_logs)
        return structs.replace(self.hyperparameters, session_scale_sd=scale_sd)
