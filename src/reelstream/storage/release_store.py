"""The releases of model sets: published whole, one in service at a time, recorded for good.

    models/<family>_model_set_<n>/   the files of set n, one folder for each of its families
    models/release_<n>.json          makes set n exist, and says what it is; never removed
    models/CURRENT                   the newest set that the gate let pass
    models/PINNED                    the set that somebody chose instead, if any
    models/pruned_<n>.json           set n is gone on purpose, its release stays as its record

A trainer holds the lock while it works. Readers need no lock: a set that has a release is complete.
`activate` and `prune` take no lock either: a trainer that follows the batches holds it for as long
as it lives, and neither method touches a set that is being made.

This module loads no model; `model_sets` does.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

from reelstream.errors import AlreadyPublishedError, DamagedError, SettingError, StorageError
from reelstream.files import encode_json, translate_errors
from reelstream.storage.file_store import FileStore
from reelstream.storage.release import Release
from reelstream.storage.store import Store, read_object

CURRENT: Final = "CURRENT"
PINNED: Final = "PINNED"

_RELEASES = r"release_([1-9][0-9]*)\.json"
_PRUNED = r"pruned_([1-9][0-9]*)\.json"
_SET_FOLDER = re.compile(r"[a-z][a-z0-9_]*_model_set_([1-9][0-9]*)")

log = structlog.get_logger()


class _Pointer(msgspec.Struct):
    number: int
    """Of a model set."""
    format: int = 1


class _PruneNote(msgspec.Struct):
    pruned_at: int
    """Seconds since 1970, UTC."""
    format: int = 1


class ReleaseStore:
    """Publishes, finds, chooses and removes releases."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: dict[int, Release] = {}

    @classmethod
    def in_folder(cls, folder: Path) -> Self:
        """The releases in a folder of this machine."""
        return cls(FileStore(folder))

    def lock(self) -> AbstractContextManager[object]:
        """Of the one trainer at work, in `with`.

        Raises LockedError at once when there is another.
        """
        return self._store.lock(".lock")

    def recover(self) -> None:
        """Finish or undo what a killed trainer left. Call it only under the lock.

        Removes folders that no release names and those of pruned sets, and points CURRENT at the
        newest set that may serve.
        """
        self._store.create()
        # Who pins or prunes a set takes no lock, and may be writing now.
        self._store.sweep(of_others=(PINNED, "pruned_"))
        unpruned = set(self._unpruned_numbers())
        for name in self._store.names():
            match = _SET_FOLDER.fullmatch(name)
            if match is not None and int(match[1]) not in unpruned:
                self._store.remove_folder(name)
        servable = [release.number for release in self.releases() if release.may_serve]
        try:
            current = self._target(CURRENT)
        except DamagedError as error:
            log.warning("pointer_rewritten", reason=str(error))
            current = None
        if servable and servable[-1] != current:
            self._point(CURRENT, servable[-1])

    def publish(self, release: Release, write: Mapping[str, Callable[[Path], None]]) -> Release:
        """Publish a set under the number of its release; make it current if it may serve.

        (1) Write the folders under temporary names, (2) sync and rename them, (3) create the
        release: the commit point, (4) replace CURRENT. Killed before (3) the set does not exist;
        after it, `recover` does (4).

        Args:
            release: What is known of the set, without folders and checksums.
            write: Public name of each family -> what writes its files into a folder.

        Returns:
            The release with folders and checksums.

        Raises:
            AlreadyPublishedError: The number is taken.
        """
        folders = {family: f"{family}_model_set_{release.number}" for family in write}
        # 1. The folders under temporary names.
        written = {family: self._store.new_folder(name) for family, name in folders.items()}
        checksums = {}
        for family, folder in written.items():
            with translate_errors(folder):
                write[family](folder)
            for path in sorted(folder.iterdir()):
                checksums[f"{folders[family]}/{path.name}"] = sha256_of(path)
        release = msgspec.structs.replace(release, folders=folders, checksums=checksums)
        # 2. Sync and rename.
        for family, folder in written.items():
            self._store.publish_folder(folder, folders[family])
        # 3. The release.
        self._store.put(_release_name(release.number), encode_json(release))
        # 4. The pointer.
        if release.may_serve:
            self._point(CURRENT, release.number)
        return release

    def sound_releases(self) -> tuple[list[Release], list[str]]:
        """Every release that was ever published, by number, and what is wrong with damaged ones.

        Each is read once in the life of this object: a published release never changes.
        """
        seen, damage = {}, []
        for (number,) in self._store.numbers(_RELEASES):
            try:
                seen[number] = self._seen.get(number) or self.release(number)
            except DamagedError as error:
                damage.append(str(error))
        self._seen = seen
        return list(seen.values()), damage

    def all_releases(self) -> list[Release]:
        """Every release that was ever published, by number; a damaged one is logged and skipped."""
        releases, damage = self.sound_releases()
        for reason in damage:
            log.error("release_damaged", reason=reason)
        return releases

    def releases(self) -> list[Release]:
        """The releases whose sets have not been pruned, by number."""
        unpruned = set(self._unpruned_numbers())
        return [release for release in self.all_releases() if release.number in unpruned]

    def release(self, number: int) -> Release:
        """One release.

        Raises SettingError when there is none of that number, DamagedError when it is damaged.
        """
        name = _release_name(number)
        if not self._store.has(name):
            raise SettingError(
                f"there is no model set {number} in {self._store.describe()}: `reelstream"
                " models list` shows all"
            )
        release = read_object(self._store, name, Release)
        if release.number != number:
            raise DamagedError(
                f"{self._store.describe(name)} holds release {release.number}: put the right one"
                " back"
            )
        return release

    def unpruned_release(self, number: int) -> Release:
        """One release whose set has not been pruned. Raises SettingError, DamagedError."""
        release = self.release(number)
        if number not in self._unpruned_numbers():
            raise SettingError(
                f"model set {number} has been pruned: `reelstream models list` shows those that are"
                " left"
            )
        return release

    def newest_number(self) -> int:
        """The largest number that was ever published; 0 before the first."""
        return max((number for (number,) in self._store.numbers(_RELEASES)), default=0)

    def current_number(self) -> int | None:
        """The newest set that the gate let pass. Raises DamagedError."""
        return self._target(CURRENT)

    def pinned(self) -> int | None:
        """The set that somebody chose to serve until further notice. Raises DamagedError."""
        return self._target(PINNED)

    def current(self) -> Release | None:
        """The release that should serve: the pinned one, else the newest that the gate let pass.

        None before the first. Raises DamagedError.
        """
        number = self.pinned()
        if number is None:
            number = self.current_number()
        return None if number is None else self.release(number)

    def candidates(self) -> list[Release]:
        """The current release, then those that may stand in for it when its set is damaged."""
        try:
            first = self.current()
        except (DamagedError, SettingError) as error:
            log.error("model_set_refused", reason=str(error))
            first = None
        others = [release for release in reversed(self.releases()) if release.may_serve]
        if first is None:
            return others
        return [first, *(release for release in others if release.number < first.number)]

    def activate(self, number: int | None) -> None:
        """Serve this set until further notice; None: the newest that may serve, now and later.

        Raises SettingError.
        """
        if number is None:
            self._store.remove(PINNED)
        else:
            self._point(PINNED, self.unpruned_release(number).number)

    def prune(self, keep: int) -> list[int]:
        """Remove all but the newest `keep` sets, never the one in service; the numbers removed.

        It may run beside a trainer, which is warm-started from the set in service, and beside
        another prune.

        (1) Create the note that the set is gone: the commit point, (2) remove its folders. The
        other way round, a reader could find a release with half its files; killed between the two,
        `recover` does (2).
        """
        unpruned = self._unpruned_numbers()
        spared = {*unpruned[max(len(unpruned) - keep, 0) :], self.current_number(), self.pinned()}
        removed = [number for number in unpruned if number not in spared]
        for number in removed:
            # 1. The note.
            try:
                self._store.put(f"pruned_{number}.json", encode_json(_PruneNote(int(time.time()))))
            except AlreadyPublishedError:
                continue  # another prune was first, and removes the folders
            # 2. The folders.
            for name in sorted(self._store.names()):
                match = _SET_FOLDER.fullmatch(name)
                if match is not None and int(match[1]) == number:
                    self._store.remove_folder(name)
        return removed

    def verify(self) -> list[str]:
        """Everything stored that is not what was published, one sentence each."""
        problems = []
        for number in self._unpruned_numbers():
            try:
                release = self.release(number)
                found = [f"model set {number}: {problem}" for problem in self.problems(release)]
            except StorageError as error:
                found = [str(error)]
            # Checksums take a while: a set that was pruned meanwhile has no problem.
            if found and number in self._unpruned_numbers():
                problems += found
        # A pointer is replaced in one step, so a bad one was changed by something else.
        for name in (CURRENT, PINNED):
            try:
                target = self._target(name)
            except DamagedError as error:
                problems.append(str(error))
                continue
            if target is not None and target not in self._unpruned_numbers():
                problems.append(
                    f"{self._store.describe(name)} names model set {target}, which is not there"
                )
        return problems

    def problems(self, release: Release) -> list[str]:
        """What is wrong with the files of a release, one sentence each."""
        problems = []
        for name, checksum in release.checksums.items():
            path = self._store.local_path(name)
            if not path.is_file():
                problems.append(f"{path} is missing")
            elif sha256_of(path) != checksum:
                problems.append(f"{path} has another checksum than when it was published")
        return problems

    def folder_of(self, release: Release, family: str) -> Path:
        """Where the files of a family, by its public name, can be read."""
        return self._store.local_path(release.folders[family])

    def describe(self, number: int | None = None) -> str:
        """How a message calls a release, or the place of all."""
        return self._store.describe("" if number is None else _release_name(number))

    def _point(self, pointer: str, number: int) -> None:
        self._store.replace(pointer, encode_json(_Pointer(number)))

    def _target(self, pointer: str) -> int | None:
        if not self._store.has(pointer):
            return None
        return read_object(self._store, pointer, _Pointer).number

    def _unpruned_numbers(self) -> list[int]:
        pruned = set(self._store.numbers(_PRUNED))
        return [each[0] for each in self._store.numbers(_RELEASES) if each not in pruned]


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hex. Raises StorageError."""
    with translate_errors(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _release_name(number: int) -> str:
    return f"release_{number}.json"
