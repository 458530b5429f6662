"""The rating model: Bayesian biased matrix factorization, kept as draws of its item side.

`r_ui = mu + b_u + b_i + p_u . q_i + f_u(t) + e`, `e ~ N(0, 1 / (alpha lam_u))`. Of a fitted chain a
model keeps, for each kept draw s, the films Q_s and their conditional mean and covariance given the
users drawn with Q_s, and the hyperparameters. Users are not kept: each is solved from his or her
own ratings when a query comes (`user_filter`).
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
from reelstream.features.audience import N_AUDIENCE
from reelstream.features.item_features import ItemFeatures
from reelstream.features.vocabulary import Vocabulary
from reelstream.files import encode_json, read_json, write_synced

FORMAT = 1
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
    """(S, D): mean of the users' prior."""
    user_precision: NDArray[np.float64]
    """(S, D, D): L of the users' prior."""
    alpha: NDArray[np.float64]
    """(S,)"""
    session_variance: NDArray[np.float64]
    """(S,)"""
    session_rate: NDArray[np.float64]
    """(S,) per second."""


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
    item_rows: NDArray[np.float32]
    """(I, D)"""

    def without_user(self, user_id: int) -> ChainState:
        """The same without what it holds of one user."""
        others = self.user_ids != user_id
        return replace(
            self,
            user_ids=self.user_ids[others],
            user_rows=self.user_rows[others],
            user_noise=self.user_noise[others],
            session_scale=self.session_scale[others],
        )


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
        return np.linalg.inv(self.draws.item_precision).astype(np.float32)

    def unrated_means(self, films: Sequence[Film | None]) -> NDArray[np.float32]:
        """(S, n, D): the prior means of films that have no ratings here, from genres and era."""
        n = len(films)
        features = self.features.encode(films, np.zeros(n, np.int64), np.zeros((n, N_AUDIENCE)))
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
        """Read what `save` wrote, arrays memory-mapped."""
        about = read_json(folder / "model.json", _About)

        def array(name: str) -> Any:
            # Copy-on-write and a plain ndarray: to compiled functions the same type as an array
            # that was just fitted.
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c"))

        def arrays(part: type[ItemDraws | ChainState], prefix: str) -> dict[str, Any]:
            names = [field.name for field in fields(part)]
            return {name: array(f"{prefix}_{_stored(name)}") for name in names}

        return cls(
            mean=about.mean,
            item_ids=array("item_ids"),
            item_counts=array("item_counts"),
            draws=ItemDraws(**arrays(ItemDraws, "draws")),
            features=ItemFeatures(about.genres),
            hyperparameters=about.hyperparameters,
            state=ChainState(**arrays(ChainState, "chain")),
            sweeps=about.sweeps,
            seed=about.seed,
        )


def _stored(name: str) -> str:
    """The name that a field has on disk."""
    return _STORED_NAMES.get(name, name)
