"""Reconciles log, batches and releases: nothing lost, nothing twice, nothing changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reelstream.broker.headers import source_row
from reelstream.broker.interface import Broker, Record
from reelstream.broker.reading import read_between
from reelstream.errors import DamagedError
from reelstream.ratings.columns import EventColumns
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange, RejectedRow


class AuditedRelease(Protocol):
    """What the audit needs of a release of a model set."""

    @property
    def number(self) -> int:
        """The set's number."""

    @property
    def manifests(self) -> Sequence[tuple[int, int]]:
        """(number, revision) of the batches it was trained on."""

    @property
    def last_batch(self) -> int:
        """The number of the last batch that the set knew of."""

    @property
    def trained_end_offsets(self) -> Mapping[int, int]:
        """Partition -> end offset of the last batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditTotals:
    """Counts over everything that was audited."""

    log_records: int
    """Offsets that the log holds."""
    batches: int
    batched_rows: int
    rejected_rows: int
    erased_rows: int
    """Rows of users who were erased, gone from their batches."""
    repeats: int
    """Records skipped because their source's row was in the log already."""
    lost: int
    """Offsets that the log deleted before a batch took them, a loss that somebody accepted."""
    waiting: int
    """Offsets of the log that no batch holds yet."""
    releases: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditReport:
    """What the audit found."""

    problems: tuple[str, ...]
    """One sentence each, in the order of the stream."""
    totals: AuditTotals

    @property
    def is_clean(self) -> bool:
        """Whether everything adds up."""
        return not self.problems


def audit(
    broker: Broker,
    topic: str,
    folder: BatchFolder,
    releases: Sequence[AuditedRelease] = (),
    *,
    group: str = "batch-writer",
) -> AuditReport:
    """Reconcile everything once; it may run beside a writer. Raises BrokerError and
    StorageError.
    """
    return _Audit(broker, topic, folder, group).run(releases)


class _Audit:
    def __init__(self, broker: Broker, topic: str, folder: BatchFolder, group: str) -> None:
        self._broker, self._topic, self._folder = broker, topic, folder
        self._problems: list[str] = []
        # Read before the manifests: the manifest of an offset that is committed exists already.
        self._committed = broker.committed_offsets(group, topic)
        try:
            self._manifests = folder.manifests()
        except DamagedError as error:
            self._manifests = []
            self._problems.append(str(error))
        # Read after the manifests: no batch of theirs can end after the log.
        self._starts, self._ends = broker.start_offsets(topic), broker.end_offsets(topic)

    def run(self, releases: Sequence[AuditedRelease]) -> AuditReport:
        """Problems and totals."""
        chain_is_whole = not self._problems
        if chain_is_whole:
            self._problems += self._check_log()
        # Records of another log, or of a broken chain, would only repeat the one problem.
        if not self._problems:
            for manifest in self._manifests:
                self._problems += self._check_batch(manifest)
        if chain_is_whole:
            self._problems += self._check_hint()
            for release in releases:
                self._problems += self._check_release(release)
        return AuditReport(problems=tuple(self._problems), totals=self._totals(len(releases)))

    def _totals(self, n_releases: int) -> AuditTotals:
        next_offsets = self._manifests[-1].next_offsets if self._manifests else {}
        return AuditTotals(
            log_records=sum(end - self._starts[partition] for partition, end in self._ends.items()),
            batches=len(self._manifests),
            batched_rows=sum(manifest.rows for manifest in self._manifests),
            rejected_rows=sum(
                manifest.rejected.rows for manifest in self._manifests if manifest.rejected
            ),
            erased_rows=sum(manifest.erased_rows for manifest in self._manifests),
            repeats=sum(manifest.repeats for manifest in self._manifests),
            lost=sum(
                gone.next - gone.first
                for manifest in self._manifests
                for gone in manifest.lost.values()
            ),
            waiting=sum(
                end - next_offsets.get(p, self._starts[p]) for p, end in self._ends.items()
            ),
            releases=n_releases,
        )

    def _check_log(self) -> Iterator[str]:
        """The log is the one that the batches came from, and reaches as far as they do."""
        if not self._manifests:
            return
        newest = self._manifests[-1]
        if newest.topic_id != self._broker.topic_id(self._topic):
            yield f"the batches were made from another topic than the present {self._topic!r}"
            return
        for partition, offset in newest.next_offsets.items():
            if offset > self._ends.get(partition, 0):
                yield (
                    f"batch {newest.number} ends at offset {offset} of partition {partition}, "
                    f"the log at {self._ends.get(partition, 0)}"
                )

    def _check_batch(self, manifest: Manifest) -> Iterator[str]:
        """Its files are those published, and hold every offset of its ranges once, save repeats."""
        try:
            ratings, rejected = self._folder.read(manifest), self._folder.read_rejected(manifest)
        except DamagedError as error:
            yield f"batch {manifest.number}: {error}"
            return
        held = _held_offsets(ratings, rejected)
        repeats, is_known = 0, True
        # Both: a file may hold rows of a partition that its manifest does not name.
        for partition in sorted({*held, *manifest.partitions}):
            taken = manifest.partitions.get(partition, OffsetRange(0, 0))
            offsets = held.get(partition, np.empty(0, np.int64))
            yield from _misplaced(manifest.number, partition, offsets, taken)
            erased = _offsets_of(manifest.erased.get(partition, ()))
            for offset in np.intersect1d(offsets, erased).tolist():
                yield (
                    f"batch {manifest.number} holds offset {offset} of partition {partition}, whose"
                    " row was erased"
                )
            missing = np.setdiff1d(
                np.arange(taken.first, taken.next), np.concatenate([offsets, erased])
            )
            # Repeats can be counted only where the log still holds every missing offset.
            is_known &= not len(missing) or int(missing[0]) >= self._starts[partition]
            for record in self._records(partition, missing):
                if _is_repeat(record, manifest):
                    repeats += 1
                else:
                    yield (
                        f"batch {manifest.number} lacks offset {record.offset} of partition "
                        f"{partition}, which the log holds"
                    )
        if is_known and repeats != manifest.repeats:
            yield (
                f"batch {manifest.number} claims to have skipped {manifest.repeats} repeats, "
                f"there were {repeats}"
            )
        if manifest.number == 1:
            yield from self._check_first(manifest)

    def _check_first(self, manifest: Manifest) -> Iterator[str]:
        """The first batch begins where the log does."""
        for partition, taken in manifest.partitions.items():
            if taken.first > self._starts[partition]:
                yield (
                    f"no batch holds offsets {self._starts[partition]} to {taken.first - 1} of "
                    f"partition {partition}"
                )

    def _records(self, partition: int, offsets: NDArray[np.int64]) -> Iterator[Record]:
        """Those of `offsets` (rising) that the log still holds."""
        offsets = offsets[offsets >= self._starts[partition]]
        if not len(offsets):
            return
        wanted = set(offsets.tolist())
        starts, ends = {partition: int(offsets[0])}, {partition: int(offsets[-1]) + 1}
        for records in read_between(self._broker, self._topic, starts, ends):
            yield from (record for record in records if record.offset in wanted)

    def _check_hint(self) -> Iterator[str]:
        """A writer commits offsets after it has created their manifest: what it committed must be
        in a batch.
        """
        next_offsets = self._manifests[-1].next_offsets if self._manifests else {}
        for partition, committed in self._committed.items():
            if committed > next_offsets.get(partition, 0):
                yield (
                    "the newest manifest is missing: the batch writer had closed partition"
                    f" {partition} up to offset {committed}, the manifests end at"
                    f" {next_offsets.get(partition, 0)}"
                )

    def _check_release(self, release: AuditedRelease) -> Iterator[str]:
        """It was trained on batches that exist, up to the offsets where they end."""
        manifests = {manifest.number: manifest for manifest in self._manifests}
        for number, revision in release.manifests:
            if number not in manifests or manifests[number].revision < revision:
                yield (
                    f"set {release.number} was trained on manifest {number}.{revision}, which is"
                    " missing"
                )
        last = manifests.get(release.last_batch)
        covered = last.next_offsets if last else {}
        for partition, offset in release.trained_end_offsets.items():
            if offset != covered.get(partition, 0):
                yield (
                    f"set {release.number} was trained up to offset {offset} of partition"
                    f" {partition}, its batches end at {covered.get(partition, 0)}"
                )


def _held_offsets(
    ratings: EventColumns, rejected: Sequence[RejectedRow]
) -> dict[int, NDArray[np.int64]]:
    """Partition -> offsets of a batch's rows, rising."""
    partitions = np.concatenate([ratings.partition, [row.partition for row in rejected]])
    offsets = np.concatenate([ratings.offset, [row.offset for row in rejected]]).astype(np.int64)
    # Sorted, since `_misplaced` finds offsets held twice side by side.
    return {int(p): np.sort(offsets[partitions == p]) for p in np.unique(partitions)}


def _offsets_of(ranges: Sequence[OffsetRange]) -> NDArray[np.int64]:
    every = [np.arange(each.first, each.next) for each in ranges]
    return np.concatenate([np.empty(0, np.int64), *every])


def _misplaced(
    number: int, partition: int, offsets: NDArray[np.int64], taken: OffsetRange
) -> Iterator[str]:
    """Offsets (rising) that batch `number` holds twice, or outside of its range."""
    where = f"of partition {partition}"
    for offset in np.unique(offsets[1:][np.diff(offsets) == 0]).tolist():
        yield f"batch {number} holds offset {offset} {where} twice"
    for offset in offsets[(offsets < taken.first) | (offsets >= taken.next)].tolist():
        yield f"batch {number} holds offset {offset} {where}, outside {taken.first} to {taken.next}"


def _is_repeat(record: Record, manifest: Manifest) -> bool:
    found = source_row(dict(record.headers))
    return found is not None and found.row <= manifest.sources.get(found.source, {}).get(
        record.partition, -1
    )
