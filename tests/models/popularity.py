"""How often each item is rated: the fourth family, as the guide in docs/development.md has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.files import encode_json, read_json, write_synced
from reelstream.models.family import FamilyInput


class _About(msgspec.Struct):
    format: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PopularityModel:
    """How often each item was rated."""

    item_ids: NDArray[np.int64]
    """(I,): the rated items, rising."""
    counts: NDArray[np.int64]
    """(I,): their ratings."""

    def most_popular(self, n: int) -> list[int]:
        """The ids of the n items with the most ratings, the most first."""
        best = np.argsort(-self.counts, kind="stable")[:n]
        return [int(item_id) for item_id in self.item_ids[best]]

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder."""
        write_synced(folder / "model.json", encode_json(_About()))
        np.save(folder / "item_ids.npy", self.item_ids)
        np.save(folder / "counts.npy", self.counts)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        read_json(folder / "model.json", _About)
        return cls(item_ids=np.load(folder / "item_ids.npy"), counts=np.load(folder / "counts.npy"))


def fit_popularity(data: FamilyInput) -> PopularityModel:
    """Count the ratings of each item."""
    item_ids, counts = np.unique(data.histories.ratings.item_id, return_counts=True)
    return PopularityModel(item_ids=item_ids, counts=counts)
