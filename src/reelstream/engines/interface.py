"""What an engine is: it writes history snapshots of batch files, and fits the models of a set to
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from reelstream.catalog import Catalog
from reelstream.features.audience import MIN_COLUMNS, audience_columns
from reelstream.models.bundle import ModelBundle
from reelstream.ratings.scale import RatingScale
from reelstream.storage.batch_files import BatchFolder, Manifest

FACTORS, DRAWS, SWEEPS = 23, 8, 160
# With fewer ratings a sweep takes hundredths of a second, and a cold chain needs more of them: the
# less the ratings say, the more slowly it moves.
# On the holdout of the training parts of ml-latest-small, 160, 304 and 448 sweeps differ by less
# than two seeds do.
FEW_RATINGS, MORE_SWEEPS = 300_000, 304
# With more, a fit has to end within minutes, and an answer needs less: factors, draws and columns
# of the audience are few. And a cold chain converges sooner: of films and users with hundreds of
# ratings each, the first sweeps know nearly all. On a million simulated ratings 20 sweeps score
# within 0.001 RMSE of 160, on 32 million 40 sweeps no longer improve. A chain that has had more
# factors keeps them.
MANY_RATINGS, FEW_FACTORS, FEW_DRAWS = 5_000_000, 15, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class FitParameters:
    """How to fit; nothing here needs tuning to the data."""

    n_factors: int = 0
    """Factors of a row, which has one number more, its bias. 0: by the size of the data."""
    sweeps: int = 0
    """Of a chain that starts cold. 0: by the size of the data."""
    burn_in: int = 64
    """Sweeps before the first kept draw of a cold chain."""
    warm_sweeps: int = 48
    """Of a chain that is warm-started from the set in service."""
    warm_burn_in: int = 16
    """Sweeps before the first kept draw of such a chain."""
    n_draws: int = 0
    """Draws of the item side that a model keeps. 0: by the size of the data."""
    n_audience: int = 0
    """Directions of who rated what that are features of films and of users. 0: by the size of the
    data.
    """
    use_times: bool = True
    """Whether the times of ratings count: without them there is no session effect and no drift."""
    seed: int = 0
    """Of all randomness; a seed gives the same model whatever the number of threads."""
    one_task_ratings: int = 5_000_000
    """Up to so many ratings a cluster runs the whole chain in one task; above, it works in blocks.
    Both are the same chain to rounding; the number is kept with a set so that it can be reproduced.
    """

    def for_size(self, n_ratings: int, n_users: int) -> FitParameters:
        """The same with all that is 0 chosen by the size of the data; more than MANY_RATINGS halve
        a cold chain's sweeps.
        """
        is_large = n_ratings > MANY_RATINGS
        halves = 2 if is_large else 1
        sweeps = self.sweeps or (MORE_SWEEPS if n_ratings < FEW_RATINGS else SWEEPS)
        return replace(
            self,
            n_factors=self.n_factors or (FEW_FACTORS if is_large else FACTORS),
            n_draws=self.n_draws or (FEW_DRAWS if is_large else DRAWS),
            sweeps=sweeps // halves,
            burn_in=self.burn_in // halves,
            n_audience=self.n_audience or (MIN_COLUMNS if is_large else audience_columns(n_users)),
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
