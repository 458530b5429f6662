"""What an engine is: it writes history snapshots of batch files, and fits the models of a set to
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from reelstream.catalog import Catalog
from reelstream.models.bundle import ModelBundle
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder, Manifest

FEW_FACTORS, FEW_DRAWS = 15, 4
# What more factors and draws gain grows with the data: from ENOUGH_RATINGS on it is worth a fit
# that takes twice the time, and an answer that takes four times as long.
MORE_FACTORS, MORE_DRAWS, ENOUGH_RATINGS = 23, 8, 300_000
# With more, a fit has to end within minutes, and an answer needs less: factors and draws are few
# again. And a cold chain converges sooner: of films and users with hundreds of ratings each, the
# first sweeps know nearly all. On a million simulated ratings 20 sweeps score within 0.001 RMSE of
# 160, on 32 million 40 sweeps no longer improve. A chain that has had more factors keeps them.
MANY_RATINGS = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FitParameters:
    """How to fit; nothing here needs tuning to the data."""

    n_factors: int = 0
    """Factors of a row, which has one number more, its bias. 0: by the size of the data."""
    sweeps: int = 160
    """Of a chain that starts cold."""
    burn_in: int = 64
    """Sweeps before the first kept draw of a cold chain."""
    warm_sweeps: int = 48
    """Of a chain that is warm-started from the set in service."""
    warm_burn_in: int = 16
    """Sweeps before the first kept draw of such a chain."""
    n_draws: int = 0
    """Draws of the item side that a model keeps. 0: by the size of the data."""
    use_times: bool = True
    """Whether the times of ratings count: without them there is no session effect and no drift."""
    seed: int = 0
    """Of all randomness; a seed gives the same model whatever the number of threads."""
    one_task_ratings: int = 5_000_000
    """Up to so many ratings a cluster runs the whole chain in one task; above, it works in blocks.
    Both are the same chain to rounding; the number is kept with a set so that it can be reproduced.
    """

    def for_size(self, n_ratings: int) -> FitParameters:
        """The same with factors and draws chosen; more than MANY_RATINGS halve a cold chain's
        sweeps.
        """
        has_more = ENOUGH_RATINGS <= n_ratings <= MANY_RATINGS
        halves = 2 if n_ratings > MANY_RATINGS else 1
        return replace(
            self,
            n_factors=self.n_factors or (MORE_FACTORS if has_more else FEW_FACTORS),
            n_draws=self.n_draws or (MORE_DRAWS if has_more else FEW_DRAWS),
            sweeps=self.sweeps // halves,
            burn_in=self.burn_in // halves,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotJob:
    """All that an engine needs to write a history snapshot."""

    batches: BatchFolder
    """Where the batch files lie."""
    manifests: Sequence[Manifest]
    """All batches that the snapshot shall hold, without excluded ones."""
    base: Path | None
    """A published snapshot that holds a part of these batches."""
    new_manifests: Sequence[Manifest]
    """The batches that `base` does not hold yet."""
    out: Path
    """An empty folder for the snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitContext:
    """What a fit knows besides the ratings and the models before."""

    catalog: Catalog
    scale: RatingScale
    parameters: FitParameters = FitParameters()
    has_gate: bool = True
    """Whether half of the holdout is for the gate; else all of it fits the like model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitJob:
    """All that an engine needs to fit the models of a set."""

    snapshot: Path
    """The folder of the history snapshot that they learn from."""
    batch_rows: int
    """Rows of the batches in it: a cluster decides by them whether it works in blocks."""
    context: FitContext
    previous: ModelBundle | None
    """The models in service, from which the chain is warm-started."""


class Engine(Protocol):
    """Writes snapshots and fits models; the only part of the system that an engine replaces."""

    @property
    def name(self) -> str:
        """What a release says about who fitted it."""

    def prepare(self) -> None:
        """Get ready while there is nothing to fit yet: compile, import, connect."""

    def write_snapshot(self, job: SnapshotJob) -> None:
        """Write a history snapshot. Raises FitError, StorageError."""

    def fit(self, job: FitJob) -> ModelBundle:
        """Fit the models of a set. Raises FitError, StorageError.

        NothingToLearnError while the snapshot has only ratings of the holdout, and deletions.
        """
