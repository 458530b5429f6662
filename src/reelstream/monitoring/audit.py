"""Holds the log, the batches and the releases against each other: nothing lost, nothing twice,
nothing changed.
"""

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
from reelstream.storage.batch_files import BatchFolder, Manifest, OffsetRange


class AuditedRelease(Protocol):
    """What the audit looks at in a release of a model set."""

    @property
    def number(self) -> int:
        """That of the last batch before it was trained."""

    @property
    def manifests(self) -> Sequence[tuple[int, int]]:
        """(number, revision) of the batches it was trained on."""

    @property
    def through(self) -> int:
        """The number of the last batch that the set knew of."""

    @property
    def trained_end_offsets(self) -> Mapping[int, int]:
        """Partition -> offset behind the last batch."""


@dataclass(frozen=True, slots=True)
class AuditTotals:
    """How many there are."""

    log_records: int
    """Offsets that the log holds."""
    batches: int
    batched_rows: int
    rejected_rows: int
    repeats: int
    """Records passed over because their source's row was in the log before."""
    lost: int
    """Offsets that the log deleted before a batch took them, accepted by hand."""
    waiting: int
    """Offsets of the log behind the newest batch."""
    releases: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What the audit found."""

    problems: tuple[str, ...]
    """One sentence each; the first in the order of the stream comes first."""
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
        # The group is asked before the manifests: a batch closed in between is not one that a
        # manifest lacks.
        self._committed = broker.committed_offsets(group, topic)
        try:
            self._manifests = folder.manifests()
        except DamagedError as error:
            self._manifests = []
            self._problems.append(str(error))
        # The log is asked after the manifests: a batch closed in between cannot lie behind its end.
        self._starts, self._ends = broker.start_offsets(topic), broker.end_offsets(topic)

    def run(self, releases: Sequence[AuditedRelease]) -> AuditReport:
        """What adds up and what does not."""
        chain_is_whole = not self._problems
        if chain_is_whole:
            self._problems += self._check_log()
        if not self._problems:
            for manifest in self._manifests:
                self._problems += self._check_batch(manifest)
        if chain_is_whole:
            self._problems += self._check_hint()
            for release in releases:
                self._problems += self._check_release(release)
        return AuditReport(tuple(self._problems), self._totals(len(releases)))

    def _totals(self, n_releases: int) -> AuditTotals:
        next_offsets = self._manifests[-1].next_offsets if self._manifests else {}
        return AuditTotals(
            log_records=sum(end - self._starts[partition] for partition, end in self._ends.items()),
            batches=len(self._manifests),
            batched_rows=sum(manifest.rows for manifest in self._manifests),
            rejected_rows=sum(
                manifest.rejected.rows for manifest in self._manifests if manifest.rejected
            ),
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
        """Its files are those published, and hold every offset of its ranges once, but for the
        repeats.
        """
        try:
            ratings, rejected = self._folder.read(manifest), self._folder.read_rejected(manifest)
        except DamagedError as error:
            yield f"batch {manifest.number}: {error}"
            return
        partitions = np.concatenate(
            [ratings.partition, np.array([row.partition for row in rejected], np.int32)]
        )
        offsets = np.concatenate(
            [ratings.offset, np.array([row.offset for row in rejected], np.int64)]
        )
        repeats, is_known = 0, True
        for partition in sorted({*np.unique(partitions).tolist(), *manifest.partitions}):
            taken = manifest.partitions.get(partition, OffsetRange(0, 0))
            held = np.sort(offsets[partitions == partition])
            where = f"of partition {partition}"
            for offset in np.unique(held[1:][np.diff(held) == 0]).tolist():
                yield f"batch {manifest.number} holds offset {offset} {where} twice"
            for offset in held[(held < taken.first) | (held >= taken.next)].tolist():
                yield (
                    f"batch {manifest.number} holds offset {offset} {where}, outside {taken.first}"
                    f" to {taken.next}"
                )
            missing = np.setdiff1d(np.arange(taken.first, taken.next), held)
            is_known &= not len(missing) or int(missing[0]) >= self._starts[partition]
            for record in self._records(partition, missing):
                if _is_repeat(record, manifest):
                    repeats += 1
                else:
                    yield (
                        f"batch {manifest.number} lacks offset {record.offset} {where}, which the"
                        " log holds"
                    )
        if is_known and repeats != manifest.repeats:
            yield (
                f"batch {manifest.number} says that it passed over {manifest.repeats} repeats, it"
                f" was {repeats}"
            )
        first = manifest.number == 1
        for partition, taken in manifest.partitions.items() if first else ():
            if taken.first > self._starts[partition]:
                yield (
                    f"no batch holds offsets {self._starts[partition]} to {taken.first - 1} of"
                    f" partition {partition}"
                )

    def _records(self, partition: int, offsets: NDArray[np.int64]) -> Iterator[Record]:
        """Those of `offsets` (rising) that the log still holds."""
        offsets = offsets[offsets >= self._starts[partition]]
        if not len(offsets):
            return
        wanted, starts, ends = (
            set(offsets.tolist()),
            {partition: int(offsets[0])},
            {partition: int(offsets[-1]) + 1},
        )
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
        """It was trained on batches that exist, and through offsets that they cover."""
        manifests = {manifest.number: manifest for manifest in self._manifests}
        for number, revision in release.manifests:
            if number not in manifests or manifests[number].revision < revision:
                yield (
                    f"set {release.number} was trained on manifest {number}.{revision}, which is"
                    " missing"
                )
        last = manifests.get(release.through)
        covered = last.next_offsets if last else {}
        for partition, offset in release.trained_end_offsets.items():
            if offset != covered.get(partition, 0):
                yield (
                    f"set {release.number} was trained through offset {offset} of partition"
                    f" {partition}, its batches end at {covered.get(partition, 0)}"
                )


def _is_repeat(record: Record, manifest: Manifest) -> bool:
    found = source_row(dict(record.headers))
    return found is not None and found.row <= manifest.sources.get(found.source, {}).get(
        record.partition, -1
    )
