"""The history snapshots of a work folder: `history/<n>/`, and `history/CURRENT` that names the newest.

A snapshot says which manifests it holds. It is made of batch files and can be made of them again, so it carries no
checksums; one that cannot be read is replaced by the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from reelstream.errors import DamagedError
from reelstream.files import (
    encode_json,
    publish_folder,
    read_json,
    replace_file,
    sweep_temporary,
    temporary_path,
    translate_errors,
    write_synced,
)
from reelstream.storage.history import History

SNAPSHOTS_KEPT = 2
"""The current one, and the one before for a reader who has just learned its name."""


class SnapshotMeta(msgspec.Struct, frozen=True):
    """What a snapshot holds."""

    number: int
    """Counts snapshots, not batches: an exclusion makes a new one of the same batches."""
    manifests: list[tuple[int, int]]
    """(number, revision) of every manifest whose ratings are in it."""
    excluded: list[int]
    """Numbers of the batches that it leaves out on purpose."""
    next_offsets: dict[int, int]
    """Partition -> offset behind the newest manifest, excluded or not: the log goes on from here."""
    n_users: int
    n_ratings: int
    format: int = 1


class _Current(msgspec.Struct):
    number: int
    format: int = 1


class HistoryStore:
    """Publishes and opens snapshots. Only the holder of the trainer's lock publishes or sweeps."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(
        self,
        history: History,
        manifests: Sequence[tuple[int, int]],
        excluded: Sequence[int],
        next_offsets: Mapping[int, int],
    ) -> SnapshotMeta:
        """Save a snapshot, make it current, and remove those no longer needed. Raises StorageError.

        (1) the folder under a temporary name, (2) sync and rename, (3) CURRENT: the commit point, (4) prune.
        """
        with translate_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        meta = SnapshotMeta(
            number, list(manifests), list(excluded), dict(next_offsets), len(history.user_ids), len(history)
        )
        # 1. Everything under a temporary name.
        temporary = temporary_path(self._folder / str(number))
        with translate_errors(temporary):
            temporary.mkdir()
        history.save(temporary)
        write_synced(temporary / "meta.json", encode_json(meta))
        # 2. Sync and rename.
        publish_folder(temporary, self._folder / str(number))
        # 3. The pointer.
        replace_file(self._folder / "CURRENT", encode_json(_Current(number)))
        # 4. What nobody needs any more.
        self._prune()
        return meta

    def current_number(self) -> int | None:
        """The number of the current snapshot; None before the first. Raises DamagedError."""
        path = self._folder / "CURRENT"
        return read_json(path, _Current).number if path.exists() else None

    def current(self) -> tuple[History, SnapshotMeta] | None:
        """The current snapshot, mapped; None before the first. Raises DamagedError."""
        number = self.current_number()
        if number is None:
            return None
        folder = self._folder / str(number)
        if not folder.is_dir():
            raise DamagedError(f"{folder} is missing, but {self._folder / 'CURRENT'} names it: run `reelstream train`")
        return History.load(folder), read_json(folder / "meta.json", SnapshotMeta)

    def sweep(self) -> None:
        """Remove what interrupted publications left."""
        with translate_errors(self._folder):
            sweep_temporary(self._folder)

    def _numbers(self) -> list[int]:
        return sorted(int(path.name) for path in self._folder.glob("[0-9]*") if path.name.isdecimal())

    def _prune(self) -> None:
        with translate_errors(self._folder):
            for number in self._numbers()[:-SNAPSHOTS_KEPT]:
                with suppress(FileNotFoundError):
                    shutil.rmtree(self._folder / str(number))
