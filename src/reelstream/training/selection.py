"""Which batches a model set is made of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns
from reelstream.storage.manifest import Manifest


@dataclass(frozen=True, slots=True)
class BatchSelection:
    """All batches up to some number, rising: those included, and those taken out by hand."""

    included: tuple[Manifest, ...]
    excluded: tuple[Manifest, ...]

    @classmethod
    def of(cls, manifests: Sequence[Manifest], excluded: Collection[int]) -> Self:
        """The manifests of all batches from the first on, without the `excluded` numbers."""
        return cls(
            tuple(manifest for manifest in manifests if manifest.number not in excluded),
            tuple(manifest for manifest in manifests if manifest.number in excluded),
        )

    @property
    def last(self) -> Manifest | None:
        """The newest batch, included or excluded: offsets end where it ends. None without any."""
        return max((*self.included, *self.excluded), key=lambda each: each.number, default=None)

    @property
    def end_offsets(self) -> dict[int, int]:
        """Partition -> where the next batch begins."""
        return self.last.next_offsets if self.last is not None else {}

    @property
    def rows(self) -> int:
        """Of all included batches, deletions among them."""
        return sum(manifest.rows for manifest in self.included)

    @property
    def revisions(self) -> list[tuple[int, int]]:
        """(number, revision) of the included batches."""
        return [(manifest.number, manifest.revision) for manifest in self.included]

    @property
    def excluded_numbers(self) -> list[int]:
        """Numbers of the excluded batches."""
        return [manifest.number for manifest in self.excluded]

    @property
    def excluded_offsets(self) -> dict[int, tuple[tuple[int, int], ...]]:
        """Partition -> the ranges [first, end) of offsets that the excluded batches took."""
        ranges: dict[int, tuple[tuple[int, int], ...]] = {}
        for manifest in self.excluded:
            for partition, taken in manifest.partitions.items():
                ranges[partition] = (*ranges.get(partition, ()), (taken.first, taken.next))
        return ranges

    def batches_of(self, ratings: EventColumns) -> NDArray[np.int64]:
        """The number of the included batch that each rating (n,) came in."""
        numbers = np.zeros(len(ratings), np.int64)
        for manifest in self.included:
            for partition, taken in manifest.partitions.items():
                is_inside = (ratings.offset >= taken.first) & (ratings.offset < taken.next)
                numbers[is_inside & (ratings.partition == partition)] = manifest.number
        return numbers
