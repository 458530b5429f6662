"""Finds rejected rows among the batches, by their place in the log or by their reason."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from reelstream.errors import SettingError
from reelstream.ratings.reasons import ReasonCount, ReasonCounts
from reelstream.storage.batch_files import BatchFolder, Manifest, RejectedRow

# (partition, offset) of a record in the log.
Place = tuple[int, int]


def place_of(row: RejectedRow) -> Place:
    """Where the row lies in the log."""
    return row.partition, row.offset


def commonest_reason(rows: Sequence[RejectedRow]) -> str | None:
    """Why most of these rows were rejected, as the first of them says it; None without rows."""
    commonest = count_reasons(rows)
    return commonest[0].reason if commonest else None


def rejection_notice(batches: BatchFolder, manifests: Sequence[Manifest]) -> str | None:
    """How many rows these batches rejected, and why most of the newest were; None without any.

    Raises DamagedError.
    """
    rejecting = [manifest for manifest in manifests if manifest.rejected is not None]
    if not rejecting:
        return None
    rejected = sum(manifest.rejected_rows for manifest in rejecting)
    rows = rejected + sum(manifest.rows for manifest in manifests)
    # Of the newest alone: a log that is full of broken rows need not be read again for each batch.
    reason = commonest_reason(batches.read_rejected(rejecting[-1]))
    return f"{rejected:,} of {rows:,} rows are rejected, most of them because {reason}"


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


def count_reasons(rows: Iterable[RejectedRow]) -> list[ReasonCount[RejectedRow]]:
    """How many of the rows were rejected for each kind of reason, the commonest first."""
    counts = ReasonCounts[RejectedRow]()
    for row in rows:
        counts.add(row.reason, row)
    return counts.commonest()


def _took(manifest: Manifest, place: Place) -> bool:
    taken = manifest.partitions.get(place[0])
    return taken is not None and taken.first <= place[1] < taken.next
