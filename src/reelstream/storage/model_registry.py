"""The model sets of a work folder: published whole, served one at a time, refused when damaged.

    models/<family>_model_set_<n>/   the files of set n, one folder for each of the three families
    models/release_<n>.json          makes set n exist, and says what it is; kept for good
    models/CURRENT                   the newest set that the gate let through
    models/PINNED                    the set that somebody chose instead, if any
    models/pruned_<n>.json           set n is gone on purpose, its release stays as its record

A trainer holds the lock while it works. Readers take none: whatever they find under a release is
finished. Who chooses or prunes sets takes none either: a follower holds the lock for as long as it
lives, and neither touches a set that is being made.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from reelstream.catalog import Catalog
from reelstream.errors import (
    AlreadyPublishedError,
    DamagedError,
    NoModelSetError,
    SettingError,
    StorageError,
)
from reelstream.failpoints import reached
from reelstream.files import (
    FileLock,
    encode_json,
    publish_bytes,
    publish_folder,
    replace_file,
    sweep_temporary,
    temporary_path,
    translate_errors,
)
from reelstream.models.like.model import LikeModel
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.rating.model import RatingModel
from reelstream.models.segment.model import SegmentModel
from reelstream.storage.numbered_files import NumberedFiles
from reelstream.storage.release import (
    FAMILIES,
    Pointer,
    Release,
    pointed_at,
    read_release,
    read_releases,
    release_path,
    released_in,
)

log = structlog.get_logger()


class _Pruned(msgspec.Struct):
    pruned_at: int
    """Seconds since 1970, UTC."""
    format: int = 1


class ModelRegistry:
    """Publishes, finds, loads and removes model sets."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._released = released_in(folder)
        self._pruned = NumberedFiles(folder, r"pruned_([1-9][0-9]*)\.json")

    def lock(self) -> FileLock:
        """Held in `with` by the one trainer at work. Raises LockedError at once when there is
        another.
        """
        return FileLock(self._folder / ".lock")

    def recover(self) -> None:
        """Finish or undo what a killed trainer left. Call it only under the lock.

        Folders that no release names and those of pruned sets go; CURRENT catches up with the
        releases.
        """
        with translate_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            sweep_temporary(self._folder, of_others=("PINNED", "pruned_"))
            kept = {
                name for number in self._kept_numbers() for name in _folder_names(number).values()
            }
            for family in FAMILIES:
                for path in self._folder.glob(f"{family}_model_set_*"):
                    is_a_sets = (
                        path.name.removeprefix(f"{family}_model_set_").isdecimal()
                        and not path.is_symlink()
                    )
                    if is_a_sets and path.is_dir() and path.name not in kept:
                        with suppress(FileNotFoundError):  # somebody prunes the set and was first
                            shutil.rmtree(path)
        newest = max(
            (release.number for release in self.releases() if release.may_serve), default=None
        )
        try:
            current = self._pointed_at("CURRENT")
        except DamagedError as error:
            log.warning("pointer_made_anew", reason=str(error))
            current = None
        if newest is not None and newest != current:
            self._point(newest)

    def publish(self, model_set: ModelSet, release: Release) -> Release:
        """Publish a set under the number of its release, and make it current if the gate let it
        through.

        Returns the release with its folders and checksums. Raises AlreadyPublishedError when the
        number is taken. (1) the folders under temporary names, (2) sync and rename, (3) create the
        release: the commit point, (4) CURRENT. Killed before (3) the set does not exist; after it,
        `recover` does (4).
        """
        # 1. The folders under temporary names.
        folders = _folder_names(release.number)
        temporary = {
            family: temporary_path(self._folder / name) for family, name in folders.items()
        }
        with translate_errors(self._folder):
            for path in temporary.values():
                path.mkdir(parents=True)
        with translate_errors(self._folder):
            model_set.save(*(temporary[family] for family in FAMILIES))
        checksums = {
            f"{folders[family]}/{path.name}": sha256_of(path)
            for family, folder in temporary.items()
            for path in sorted(folder.iterdir())
        }
        release = msgspec.structs.replace(release, folders=folders, checksums=checksums)
        # 2. Sync and rename.
        for family, path in temporary.items():
            publish_folder(path, self._folder / folders[family])
        # 3. The release.
        publish_bytes(release_path(self._folder, release.number), encode_json(release))
        # 4. The pointer.
        if release.may_serve:
            self._point(release.number)
        return release

    def all_releases(self) -> list[Release]:
        """Every release that was ever published, by number; a damaged one is passed over and
        logged.
        """
        releases, damage = read_releases(self._folder, self._released.numbers(), {})
        for number, reason in damage.items():
            log.error("release_damaged", number=number, reason=reason)
        return list(releases.values())

    def releases(self) -> list[Release]:
        """The releases whose sets have not been pruned, by number."""
        pruned = set(self._pruned.numbers())
        return [release for release in self.all_releases() if (release.number,) not in pruned]

    def release(self, number: int) -> Release:
        """One release. Raises SettingError when there is none of that number, DamagedError when it
        is damaged.
        """
        if not release_path(self._folder, number).exists():
            raise SettingError(
                f"there is no model set {number} in {self._folder}: `reelstream models list`"
                " shows all"
            )
        return read_release(self._folder, number)

    def newest_number(self) -> int:
        """The largest number that was ever published; 0 before the first."""
        return max((number for (number,) in self._released.numbers()), default=0)

    def current(self) -> Release | None:
        """The release in service: the pinned one, else the newest that may serve; None before the
        first.

        Raises DamagedError.
        """
        number = self.pinned()
        if number is None:
            number = self._pointed_at("CURRENT")
        return None if number is None else self.release(number)

    def pinned(self) -> int | None:
        """The number of the set that somebody chose to serve, whatever comes. Raises
        DamagedError.
        """
        return self._pointed_at("PINNED")

    def load(self, number: int, catalog: Catalog) -> ModelSet:
        """A set, after comparing every file's checksum. Raises DamagedError, SettingError."""
        release = self._kept_release(number)
        problems = self._problems(release)
        if problems:
            more = f", and {len(problems) - 1} more" if problems[1:] else ""
            raise DamagedError(
                f"model set {number} is damaged: {problems[0]}{more}: activate another, or train"
                " anew"
            )
        regression, classification, clustering = (
            self._folder / release.folders[family] for family in FAMILIES
        )
        return ModelSet(
            number,
            RatingModel.load(regression),
            LikeModel.load(classification),
            SegmentModel.load(clustering),
            catalog,
            release.scale,
            TrainedOn(release.trained_end_offsets, release.excluded_offsets),
        )

    def load_current(self, catalog: Catalog) -> tuple[Release, ModelSet]:
        """The set in service; when it is damaged, the newest sound one before it that may serve.

        Raises NoModelSetError when there is none.
        """
        for release in self._candidates():
            try:
                return release, self.load(release.number, catalog)
            except (
                DamagedError,
                SettingError,
            ) as error:  # damaged, or pruned while somebody pinned it
                log.error("model_set_refused", number=release.number, reason=str(error))
        raise NoModelSetError(
            f"{self._folder} holds no model set that may serve: `reelstream train` makes one"
        )

    def activate(self, number: int | None) -> None:
        """Serve this set until further notice; None: the newest that may serve, now and later.
        Raises SettingError.
        """
        if number is None:
            with translate_errors(self._folder):
                (self._folder / "PINNED").unlink(missing_ok=True)
            return
        self.release(number)
        if self._is_pruned(number):
            raise SettingError(
                f"model set {number} has been pruned: `reelstream models list` shows those that are"
                " left"
            )
        replace_file(self._folder / "PINNED", encode_json(Pointer(number)))

    def prune(self, keep: int) -> list[int]:
        """Remove all but the newest `keep` sets, never the one in service; return the numbers of
        those that went.

        It may run beside a trainer, which goes on from the set in service, and beside another
        prune.

        (1) create the note that the set is gone: the commit point, (2) remove its folders. The
        other way round, a reader could find a release with half its files; killed between the two,
        `recover` does (2).
        """
        kept = self._kept_numbers()
        spared = {*kept[max(len(kept) - keep, 0) :], self._pointed_at("CURRENT"), self.pinned()}
        gone = [number for number in kept if number not in spared]
        for number in gone:
            # 1. The note.
            try:
                publish_bytes(
                    self._folder / f"pruned_{number}.json", encode_json(_Pruned(int(time.time())))
                )
            except AlreadyPublishedError:
                continue
            # 2. The folders.
            for name in _folder_names(number).values():
                shutil.rmtree(self._folder / name, ignore_errors=True)
                reached("folder_removed", f"{self._folder.name}/{name}")
        return gone

    def verify(self) -> list[str]:
        """Everything on disk that is not what was published, one sentence each."""
        problems = []
        for number in self._kept_numbers():
            try:
                found = [
                    f"model set {number}: {problem}"
                    for problem in self._problems(self.release(number))
                ]
            except StorageError as error:
                found = [str(error)]
            # To look takes a while: what has been pruned by now is gone on purpose.
            if found and number in self._kept_numbers():
                problems += found
        for name in ("CURRENT", "PINNED"):
            try:
                target = self._pointed_at(name)
            except DamagedError as error:
                problems.append(str(error))
                continue
            if target is not None and target not in self._kept_numbers():
                problems.append(
                    f"{self._folder / name} names model set {target}, which is not there"
                )
        return problems

    def _kept_release(self, number: int) -> Release:
        release = self.release(number)
        if self._is_pruned(number):
            raise SettingError(
                f"model set {number} has been pruned: `reelstream models list` shows those that are"
                " left"
            )
        return release

    def _candidates(self) -> list[Release]:
        try:
            first = self.current()
        except (DamagedError, SettingError) as error:
            log.error("model_set_refused", reason=str(error))
            first = None
        others = [release for release in reversed(self.releases()) if release.may_serve]
        if first is None:
            return others
        return [first, *(release for release in others if release.number < first.number)]

    def _problems(self, release: Release) -> list[str]:
        problems = []
        for name, checksum in release.checksums.items():
            path = self._folder / name
            if not path.is_file():
                problems.append(f"{path} is missing")
            elif sha256_of(path) != checksum:
                problems.append(f"{path} has another checksum than when it was published")
        return problems

    def _point(self, number: int) -> None:
        replace_file(self._folder / "CURRENT", encode_json(Pointer(number)))

    def _pointed_at(self, name: str) -> int | None:
        return pointed_at(self._folder / name)

    def _is_pruned(self, number: int) -> bool:
        return (number,) in self._pruned.numbers()

    def _kept_numbers(self) -> list[int]:
        pruned = set(self._pruned.numbers())
        return [number for (number,) in self._released.numbers() if (number,) not in pruned]


def _folder_names(number: int) -> dict[str, str]:
    return {family: f"{family}_model_set_{number}" for family in FAMILIES}


def sha256_of(path: Path) -> str:
    """The checksum of a set's file, in hex. Raises StorageError."""
    with translate_errors(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
