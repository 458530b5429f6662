"""The choice model: which film does a user take next.

Stars say how good a film would be, not whether it would be chosen: most films are rated by those
who expect to like them (Marlin et al., *Collaborative Filtering and the Missing at Random
Assumption*, UAI 2007). So recommendations need both: the chance that the film is chosen, from here,
times the chance of a like once it is, from the like model.

The model has no users: a history is scored against the columns at each query, so that one more
rating changes the answer at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.features.vocabulary import Vocabulary
from reelstream.files import encode_json, read_json, write_synced
from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.mixture import Mixture

FORMAT = 1


class _About(msgspec.Struct, kw_only=True):
    format: int = FORMAT
    mixture: Mixture
    popular_at: int
    threshold: float
    end_offsets: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceModel:
    """A fitted choice model of I rated items."""

    items: Vocabulary
    columns: ItemColumns
    mixture: Mixture
    popularity: NDArray[np.float64]
    """(I,): likes of each item, each faded since it came, at the time `popular_at`."""
    popular_at: int
    """Seconds since 1970: the time of the newest rating."""
    threshold: float
    """Stars; a rating from here on is a like."""
    end_offsets: dict[int, int]
    """Partition -> end offset of what it has learned: the mixture of the next set is learned from
    later ratings.
    """

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder; weights in half precision."""
        about = _About(
            mixture=self.mixture,
            popular_at=self.popular_at,
            threshold=self.threshold,
            end_offsets=self.end_offsets,
        )
        write_synced(folder / "model.json", encode_json(about))
        np.save(folder / "item_ids.npy", self.items.ids)
        np.save(folder / "popularity.npy", self.popularity)
        np.save(folder / "starts.npy", self.columns.starts)
        np.save(folder / "targets.npy", self.columns.targets)
        np.save(folder / "weights.npy", self.columns.weights.astype(np.float16))
        np.save(folder / "variances.npy", self.columns.variances)
        np.save(folder / "counts.npy", self.columns.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises DamagedError, OSError."""
        about = read_json(folder / "model.json", _About)
        columns = ItemColumns(
            starts=np.load(folder / "starts.npy"),
            targets=np.load(folder / "targets.npy"),
            weights=np.load(folder / "weights.npy").astype(np.float32),
            variances=np.load(folder / "variances.npy"),
            counts=np.load(folder / "counts.npy"),
        )
        return cls(
            items=Vocabulary(np.load(folder / "item_ids.npy")),
            columns=columns,
            mixture=about.mixture,
            popularity=np.load(folder / "popularity.npy"),
            popular_at=about.popular_at,
            threshold=about.threshold,
            end_offsets=about.end_offsets,
        )
