"""Finds rejected rows among the batches, by their place in the log or by their reason."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from reelstream.errors import SettingError
from reelstream.storage.batch_files import BatchFolder, Manifest, RejectedRow

# (partition, offset) of a record in the log.
Place = tuple[int, int]

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def place_of(row: RejectedRow) -> Place:
    """Where the row lies in the log."""
    return row.partition, row.offset


def kind_of(reason: str) -> str:
    """The reason without its numbers: what many rows have in common."""
    return _NUMBER.sub("…", reason)


def rejected_of_batch(batches: BatchFolder, number: int) -> list[RejectedRow]:
    """The rejected rows of one batch. Raises SettingError when there is no such batch,
    DamagedError.
    """
    manifests = batches.manifests()
    if not 1 <= number <= len(manifests):
        there = f"there are 1 to {len(manifests)}" if manifests else "there is none yet"
        raise SettingError(f"there is no batch {number} in {batches.store.describe()}: {there}")
    return batches.read_rejected(manifests[number - 1])


def find_rejected(batches: BatchFolder, places: Collection[Place]) -> dict[Place, RejectedRow]:
    """The rejected rows at these places. Raises SettingError where none is rejected,
    DamagedError.
    """
    wanted = set(places)
    found = {
        place_of(row): row
        for manifest in batches.manifests()
        if any(_took(manifest, place) for place in wanted)
        for row in batches.read_rejected(manifest)
        if place_of(row) in wanted
    }
    for partition, offset in sorted(wanted - found.keys()):
        raise SettingError(
            f"no row was rejected at {partition}:{offset}: `reelstream rejected list` names the"
            " batches that have some"
        )
    return found


def each_rejected(batches: BatchFolder) -> Iterator[tuple[Manifest, list[RejectedRow]]]:
    """The batches that have rejected rows, with these. Raises DamagedError."""
    for manifest in batches.manifests():
        if manifest.rejected is not None:
            yield manifest, batches.read_rejected(manifest)


def _took(manifest: Manifest, place: Place) -> bool:
    taken = manifest.partitions.get(place[0])
    return taken is not None and taken.first <= place[1] < taken.next
