"""Follows the files of a work folder: history snapshot, newer batches and exclusions become the
histories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import structlog

from reelstream.errors import DamagedError
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.serving.activity import Activity
from reelstream.serving.follower import Follower
from reelstream.serving.live_histories import LiveHistories
from reelstream.storage.batch_files import BatchFolder, Manifest
from reelstream.storage.id_names import StoredNames
from reelstream.storage.snapshot_store import SnapshotStore

# How often the files are looked at.
FILE_SECONDS = 0.2

# (number, revision) of a manifest.
_Revision = tuple[int, int]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    histories: Histories
    holds: frozenset[_Revision]


class BatchFollower(Follower):
    """Follows the batch files. A history rests on a base, and on the batches that the base does not
    hold.
    """

    name: ClassVar[str] = "batch files"
    pause_seconds: ClassVar[float] = FILE_SECONDS

    def __init__(
        self,
        batches: BatchFolder,
        snapshots: SnapshotStore,
        histories: LiveHistories,
        activity: Activity,
        ids: Ids = NUMBERS,
    ) -> None:
        super().__init__(activity)
        self._names = StoredNames(batches, ids)
        self._batches, self._snapshots, self._histories = batches, snapshots, histories
        self._seen: object = None
        self._base: _Base | None = None
        self._newer: dict[_Revision, EventColumns] = {}
        self.topic_id: str | None = None
        """Of the topic that the batches were made from; None before the first."""
        self.manifests: tuple[Manifest, ...] = ()
        """Of the closed batches, rising."""
        self.excluded: tuple[int, ...] = ()
        """Numbers of those that were taken out by hand."""

    def follow(self) -> None:
        """Look once, and replace the histories' files if these have changed.

        Raises DamagedError, StorageError.
        """
        manifests, excluded = self._batches.manifests(), self._batches.excluded()
        seen = (manifests, excluded, self._snapshots.current_number())
        if seen == self._seen:
            return
        # First: whoever finds an id in the histories finds its text.
        self._names.refresh(manifests)
        wanted = {
            _revision(manifest): manifest
            for manifest in manifests
            if manifest.number not in excluded
        }
        base = self._choose_base(wanted)
        held = {number for number, _ in base.holds}
        newer = {
            key: self._newer.get(key) or self._batches.read(manifest)
            for key, manifest in wanted.items()
            if manifest.number not in held
        }
        end_offsets = manifests[-1].next_offsets if manifests else {}
        self._histories.replace_files(
            base.histories, EventColumns.concatenate(newer.values()), end_offsets
        )
        self._base, self._newer = base, newer
        if self._seen is not None:  # what was there at the start did not happen now
            self._note_batches(manifests[len(self.manifests) :])
        self.topic_id = manifests[-1].topic_id if manifests else None
        self.manifests = tuple(manifests)
        self.excluded = tuple(sorted(excluded))
        self._seen = seen

    def _note_batches(self, manifests: Sequence[Manifest]) -> None:
        for manifest in manifests:
            self._activity.note(
                "batch",
                number=manifest.number,
                ratings=manifest.rows,
                rejected=manifest.rejected_rows,
            )

    def _choose_base(self, wanted: dict[_Revision, Manifest]) -> _Base:
        """The published snapshot, or else the base so far, if it holds nothing that was excluded
        since.

        Else all batches are read: a snapshot no longer knows which ratings an excluded batch had
        replaced.
        """
        for base in (self._published(), self._base):
            if base is not None and _is_part(base.holds, wanted):
                return base
        log.info("history_rebuilt", batches=len(wanted))
        everything = EventColumns.concatenate(
            [self._batches.read(manifest) for manifest in wanted.values()]
        )
        return _Base(histories=Histories.of(everything), holds=frozenset(wanted))

    def _published(self) -> _Base | None:
        try:
            current = self._snapshots.current()
        except DamagedError as error:
            log.warning("history_snapshot_passed_over", reason=str(error))
            return None
        if current is None:
            return None
        histories, meta = current
        return _Base(histories=histories, holds=frozenset(meta.manifests))


def _is_part(holds: frozenset[_Revision], wanted: dict[_Revision, Manifest]) -> bool:
    """Whether these batches are wanted as they were, or without rows that were erased since: the
    erasure itself is among the events, and hides them.
    """
    newest = {manifest.number: manifest for manifest in wanted.values()}
    return all(
        number in newest and (newest[number].revision == revision or newest[number].erased)
        for number, revision in holds
    )


def _revision(manifest: Manifest) -> _Revision:
    return manifest.number, manifest.revision
