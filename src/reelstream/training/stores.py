"""Where a trainer reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.snapshot_store import SnapshotStore
from reelstream.storage.work_folder import WorkFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStores:
    """Batches, the histories that they add up to, and the sets that were made of them."""

    batches: BatchFolder
    snapshots: SnapshotStore
    model_sets: ModelSetStore

    @classmethod
    def of(cls, folder: WorkFolder) -> Self:
        """Those of a work folder."""
        return cls(
            batches=BatchFolder.in_folder(folder.batches),
            snapshots=SnapshotStore.in_folder(folder.history),
            model_sets=ModelSetStore.in_folder(folder.models),
        )
