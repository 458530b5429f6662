"""The rating model: Bayesian biased matrix factorization, kept as draws of its item side.

`r_ui = mu + b_u + b_i + p_u . q_i + f_u(t) + e`, `e ~ N(0, 1 / (alpha lam_u))`, where a rating that
comes right after another also echoes it (`echo`). A user's row has
the prior `N(G'x, inv(c_u L))`, where x says which films the user chose to rate. Of a fitted chain a
model keeps, for each kept draw s, the films Q_s and their conditional mean and covariance given
the users drawn with Q_s, and the hyperparameters. Users are not kept: each is solved from his or
her own ratings when a query comes (`user_filter`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.catalog import Film
from reelstream.compute import threads
from reelstream.errors import DamagedError
from reelstream.features.item_features import N_GROUPS, ItemFeatures
from reelstream.features.vocabulary import Vocabulary
from reelstream.files import encode_json, read_json, write_synced
from reelstream.models.rating.echo import N_GAPS

FORMAT = 3
# The arrays that models of older formats lack, by the format that brought them.
_ADDED_IN = {"exposure": 2, "prior_weight": 2, "echo": 3}
# With this shape a t law is a normal one; the default, for models of format 1.
NORMAL_SHAPE = 1e6
_STORED_NAMES = {
    "session_variance": "mood_variance",
    "session_rate": "mood_rate",
    "session_scale": "mood_scale",
    "session_scale_sd": "mood_scale_sd",
}
"""Field -> its name on disk, where the two differ: published sets keep the names that they were
written with.
"""


class Hyperparameters(msgspec.Struct, frozen=True, kw_only=True, rename=_STORED_NAMES.get):
    """The scalars of the chain, or of one draw from it."""

    alpha: float
    """Precision of a rating's noise, for a user of ordinary steadiness."""
    noise_shape: float
    """nu: lam_u ~ Gamma(nu/2, nu/2)."""
    session_variance: float
    """q: variance of an ordinary user's session effect, in squared stars; 0: there is none."""
    session_rate: float
    """How fast a session effect fades, per second."""
    session_scale_sd: float
    """Standard deviation of log k_u, by which users' session effects differ."""
    prior_shape: float = NORMAL_SHAPE
    """nu of c_u ~ Gamma(nu/2, nu/2), by which the priors of users' rows differ."""
    exposure_precision: float = 1.0
    """Of the weights of what a user chose to rate."""
    item_precisions: tuple[float, ...] = (1.0,) * N_GROUPS
    """Of the weights of each group of the items' side features: see `ItemFeatures.groups`."""
    echo: tuple[float, ...] = (0.0,) * N_GAPS
    """w: weights of the echo, by the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemDraws:
    """The kept draws: S of them, I items, D = 1 + factors numbers a row, F side features."""

    drawn: NDArray[np.float32]
    """(S, I, D): the films that draw s drew its users from."""
    means: NDArray[np.float32]
    """(S, I, D): E[Q | users of s]."""
    covs: NDArray[np.float32]
    """(S, I, D, D): Cov[Q | users of s]."""
    item_weights: NDArray[np.float64]
    """(S, F, D): G of the items' prior."""
    item_precision: NDArray[np.float64]
    """(S, D, D): L of the items' prior."""
    user_mean: NDArray[np.float64]
    """(S, D): mean of the prior of a user without ratings."""
    exposure: NDArray[np.float32]
    """(S, I, D): what a rating of the item, whatever its stars, adds to the prior mean of its user,
    times SHRINKAGE_EXPOSURE + the user's number of ratings.
    """
    user_precision: NDArray[np.float64]
    """(S, D, D): L of the users' prior, for a user of c_u = 1."""
    alpha: NDArray[np.float64]
    """(S,)"""
    session_variance: NDArray[np.float64]
    """(S,)"""
    session_rate: NDArray[np.float64]
    """(S,) per second."""
    echo: NDArray[np.float64]
    """(S, N_GAPS): weights of the echo of the rating before, by the gap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """Where the chain stopped; the next fit is warm-started from it.

    U users, I items of the model, in order of id.
    """

    user_ids: NDArray[np.int64]
    user_rows: NDArray[np.float32]
    """(U, D)"""
    user_noise: NDArray[np.float64]
    """(U,): lam_u."""
    session_scale: NDArray[np.float64]
    """(U,): k_u."""
    prior_weight: NDArray[np.float64]
    """(U,): c_u."""
    item_rows: NDArray[np.float32]
    """(I, D)"""

    def without_user(self, user_id: int) -> ChainState:
        """The same without what it holds of one user."""
        others = self.user_ids != user_id
        names = [field.name for field in fields(self) if field.name != "item_rows"]
        return replace(self, **{name: getattr(self, name)[others] for name in names})


class _About(msgspec.Struct, kw_only=True):
    format: int
    mean: float
    genres: tuple[str, ...]
    hyperparameters: Hyperparameters
    sweeps: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class RatingModel:
    """A fitted rating model."""

    mean: float
    """mu: the mean rating it was fitted with."""
    item_ids: NDArray[np.int64]
    """(I,): the rated items, rising."""
    item_counts: NDArray[np.int64]
    """(I,): ratings learned of each."""
    draws: ItemDraws
    features: ItemFeatures
    hyperparameters: Hyperparameters
    """As the chain left them."""
    state: ChainState
    sweeps: int
    """Sweeps of the chain so far, counted through all sets that it went through."""
    seed: int

    @property
    def n_draws(self) -> int:
        """How many draws are kept: S."""
        return int(self.draws.drawn.shape[0])

    @cached_property
    def items(self) -> Vocabulary:
        """The rows of the rated items."""
        return Vocabulary(self.item_ids)

    @cached_property
    def unrated_covariance(self) -> NDArray[np.float32]:
        """(S, D, D): the prior covariance of a film that has no ratings here."""
        with threads.one_for_blas():
            return np.linalg.inv(self.draws.item_precision).astype(np.float32)

    def unrated_means(self, films: Sequence[Film | None]) -> NDArray[np.float32]:
        """(S, n, D): the prior means of films that have no ratings here, from genres and era."""
        n, n_audience = len(films), self.draws.item_weights.shape[1] - self.features.n_own
        features = self.features.encode(films, np.zeros(n, np.int64), np.zeros((n, n_audience)))
        return (features @ self.draws.item_weights).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder: arrays as .npy, the rest as JSON."""
        about = _About(
            format=FORMAT,
            mean=self.mean,
            genres=self.features.genres,
            hyperparameters=self.hyperparameters,
            sweeps=self.sweeps,
            seed=self.seed,
        )
        write_synced(folder / "model.json", encode_json(about))
        np.save(folder / "item_ids.npy", self.item_ids)
        np.save(folder / "item_counts.npy", self.item_counts)
        for part, prefix in ((self.draws, "draws"), (self.state, "chain")):
            for field in fields(part):
                np.save(folder / f"{prefix}_{_stored(field.name)}.npy", getattr(part, field.name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, arrays memory-mapped. Raises DamagedError, OSError.

        A model of an older format answers as it always did: without an echo; and in format 1 users
        are normal, and what they chose to rate says nothing.
        """
        about = read_json(folder / "model.json", _About)
        if about.format > FORMAT:
            raise DamagedError(
                f"{folder} has format {about.format}, this version reads {FORMAT}: update it"
            )

        def array(name: str) -> Any:
            # Copy-on-write and a plain ndarray: to compiled functions the same type as an array
            # that was just fitted.
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c"))

        def arrays(part: type[ItemDraws | ChainState], prefix: str) -> dict[str, Any]:
            names = [field.name for field in fields(part)]
            return {
                name: array(f"{prefix}_{_stored(name)}")
                for name in names
                if _ADDED_IN.get(name, 1) <= about.format
            }

        draws, state = arrays(ItemDraws, "draws"), arrays(ChainState, "chain")
        draws.setdefault("exposure", np.zeros_like(draws["means"]))
        draws.setdefault("echo", np.zeros((len(draws["alpha"]), N_GAPS)))
        state.setdefault("prior_weight", np.ones(len(state["user_ids"])))

        return cls(
            mean=about.mean,
            item_ids=array("item_ids"),
            item_counts=array("item_counts"),
            draws=ItemDraws(**draws),
            features=ItemFeatures(about.genres),
            hyperparameters=about.hyperparameters,
            state=ChainState(**state),
            sweeps=about.sweeps,
            seed=about.seed,
        )


def _stored(name: str) -> str:
    """The name that a field has on disk."""
    return _STORED_NAMES.get(name, name)
