"""The history snapshots of a work folder: `history/<n>/`, and `history/CURRENT` that names the
newest.

A snapshot says which manifests it holds. It is made of batch files and can be made of them again,
so it carries no checksums; one that cannot be read is replaced by the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec
import structlog

from reelstream.errors import DamagedError
from reelstream.files import encode_json, write_synced
from reelstream.ratings.histories import Histories
from reelstream.storage.file_store import FileStore
from reelstream.storage.snapshot import read_snapshot
from reelstream.storage.snapshot_reader import SnapshotReader
from reelstream.storage.store import Store, read_object

_CURRENT: Final = "CURRENT"
_SNAPSHOTS = r"([1-9][0-9]*)"

log = structlog.get_logger()

# The current one, and the one before for a reader who has just learned its name.
RETAINED_SNAPSHOTS = 2


class SnapshotMeta(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot holds."""

    number: int
    """Counts snapshots, not batches: an exclusion makes a new one of the same batches."""
    manifests: list[tuple[int, int]]
    """(number, revision) of every manifest whose ratings are in it."""
    excluded: list[int]
    """Numbers of the batches excluded from it on purpose."""
    next_offsets: dict[int, int]
    """Partition -> end offset of the newest manifest, excluded or not: the log goes on from
    here.
    """
    n_users: int
    n_ratings: int
    format: int = 1


class Base(NamedTuple):
    """Where the making of a snapshot can begin."""

    folder: Path | None
    """A snapshot to go on from; None: nothing."""
    known: int
    """How many of the wanted manifests it holds, the first ones."""


class _Current(msgspec.Struct):
    number: int
    format: int = 1


class SnapshotStore:
    """Publishes and opens snapshots. Only the holder of the trainer's lock publishes or sweeps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """The snapshots in a folder of this machine."""
        return cls(FileStore(folder))

    def new_folder(self) -> Path:
        """An empty folder under a temporary name, for a snapshot to be written into. Raises
        StorageError.
        """
        return self._store.new_folder("snapshot")

    def publish(
        self,
        written: Path,
        manifests: Sequence[tuple[int, int]],
        excluded: Sequence[int],
        next_offsets: Mapping[int, int],
    ) -> SnapshotMeta:
        """Publish what Histories.save has written into a `new_folder`, make it current, and prune.
        Raises StorageError.

        (1) what it holds, (2) sync and rename, (3) CURRENT: the commit point, (4) prune.
        """
        # From the folders, not from CURRENT: a killed trainer may have left a newer one.
        number = max(self._numbers(), default=0) + 1
        history = read_snapshot(written)
        # 1. What it holds.
        meta = SnapshotMeta(
            number=number,
            manifests=list(manifests),
            excluded=list(excluded),
            next_offsets=dict(next_offsets),
            n_users=len(history.user_ids),
            n_ratings=len(history),
        )
        write_synced(written / "meta.json", encode_json(meta))
        # 2. Sync and rename.
        self._store.publish_folder(written, str(number))
        # 3. The pointer. Killed before it, the folder has its number: the next one is larger.
        self._store.replace(_CURRENT, encode_json(_Current(number)))
        # 4. What nobody needs any more.
        self._prune()
        return meta

    def base_for(
        self, manifests: Sequence[tuple[int, int]], excluded: Sequence[int]
    ) -> Base | None:
        """What a snapshot of these manifests, all from the first on, can be made from; None when
        the current one is that.

        Further batches can be merged; an exclusion, an inclusion, another revision or a damaged
        snapshot means to start again from the batch files: a history has forgotten which ratings an
        excluded one had replaced.
        """
        meta = self._sound_current()
        if meta is None:
            return Base(None, 0) if manifests or excluded else None
        if (meta.manifests, meta.excluded) == (list(manifests), list(excluded)):
            return None
        known = len(meta.manifests)
        if list(manifests[:known]) != meta.manifests:
            return Base(None, 0)
        return Base(self._store.local_path(str(meta.number)), known)

    def stored(self) -> SnapshotReader:
        """The current snapshot, to be read in parts; an empty one before the first. Raises
        DamagedError.
        """
        return SnapshotReader(self.current_folder())

    def current_number(self) -> int | None:
        """The number of the current snapshot; None before the first. Raises DamagedError."""
        if not self._store.has(_CURRENT):
            return None
        return read_object(self._store, _CURRENT, _Current).number

    def current_folder(self) -> Path | None:
        """Where the current snapshot lies; None before the first. Raises DamagedError."""
        number = self.current_number()
        return None if number is None else self._store.local_path(str(number))

    def current(self) -> tuple[Histories, SnapshotMeta] | None:
        """The current snapshot, mapped; None before the first. Raises DamagedError."""
        number = self.current_number()
        if number is None:
            return None
        name = str(number)
        if not self._store.has(f"{name}/meta.json"):
            raise DamagedError(
                f"{self._store.describe(name)} is missing, but {self._store.describe(_CURRENT)}"
                " names it: run `reelstream train`"
            )
        meta = read_object(self._store, f"{name}/meta.json", SnapshotMeta)
        return read_snapshot(self._store.local_path(name)), meta

    def all(self) -> Iterator[tuple[int, Histories]]:
        """Every snapshot that is still there, with its number."""
        for number in self._numbers():
            # It may be removed meanwhile.
            with suppress(DamagedError):
                yield number, read_snapshot(self._store.local_path(str(number)))

    def sweep(self) -> None:
        """Remove what interrupted publications left."""
        self._store.sweep()

    def _sound_current(self) -> SnapshotMeta | None:
        try:
            current = self.current()
        except DamagedError as error:
            log.warning("history_rebuilt", reason=str(error))
            return None
        return None if current is None else current[1]

    def _numbers(self) -> list[int]:
        return [number for (number,) in self._store.numbers(_SNAPSHOTS)]

    def _prune(self) -> None:
        for number in self._numbers()[:-RETAINED_SNAPSHOTS]:
            self._store.remove_folder(str(number))
