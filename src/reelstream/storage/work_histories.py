"""The histories that the closed batches of a work folder add up to."""

from __future__ import annotations

from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.snapshot import read_snapshot
from reelstream.storage.snapshot_store import SnapshotStore


def read_histories(batches: BatchFolder, snapshots: SnapshotStore) -> Histories:
    """What all batches add up to that are not excluded. Raises DamagedError, StorageError."""
    excluded = batches.excluded()
    manifests = [each for each in batches.manifests() if each.number not in excluded]
    revisions = [(each.number, each.revision) for each in manifests]
    base = snapshots.base_for(revisions, sorted(excluded))
    # None: the current snapshot holds exactly these. Else the batches after the base are read.
    known = len(manifests) if base is None else base.known
    folder = snapshots.current_folder() if base is None else base.folder
    histories = Histories.of(EventColumns.empty()) if folder is None else read_snapshot(folder)
    return histories.merge(EventColumns.concatenate(map(batches.read, manifests[known:])))
