"""How anything reaches the disk: written under a temporary name, synced, and published in one step.

Nothing else in reelstream does these. A published file or folder never replaces an existing name:
two writers that race for it cannot both win. Only pointers (`CURRENT`, checkpoints) are replaced.
After a crash a name holds all of what was published under it, or does not exist.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self, TypeVar

import msgspec

from reelstream.errors import AlreadyPublishedError, DamagedError, LockedError, StorageError
from reelstream.failpoints import reached

# Names that begin with it belong to a write not yet published: readers pass over them, sweepers
# remove them.
TEMPORARY_PREFIX = ".tmp-"

# No writer takes so long to publish a file.
ABANDONED_SECONDS = 3600.0

T = TypeVar("T")


def temporary_path(final: Path) -> Path:
    """A name beside `final` that no other process uses."""
    return final.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{time.monotonic_ns()}-{final.name}")


def write_synced(path: Path, data: bytes, *, is_secret: bool = False) -> None:
    """Write `data` under `path` and wait until the disk has it; nobody but the owner may read what
    is secret. Raises StorageError, and leaves no partial file.
    """
    mode = 0o600 if is_secret else 0o666
    with translate_errors(path):
        try:
            with open(path, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
    reached("file_synced", _subject(path))


def publish_file(temporary: Path, final: Path) -> None:
    """Give a synced temporary file its final name. Raises AlreadyPublishedError when the name is
    taken.
    """
    with translate_errors(final):
        try:
            # Not a rename, which replaces what has the name: a link fails when the name is taken.
            os.link(temporary, final)
            reached("file_linked", _subject(final))
        except FileExistsError as error:
            raise AlreadyPublishedError(
                f"{final} exists already: another writer was first"
            ) from error
        finally:
            os.unlink(temporary)
        sync_folder(final.parent)
    reached("file_published", _subject(final))


def publish_bytes(final: Path, data: bytes) -> None:
    """Create `final` with `data`, whole or not at all. Raises AlreadyPublishedError when the name
    is taken.
    """
    temporary = temporary_path(final)
    write_synced(temporary, data)
    publish_file(temporary, final)


def publish_folder(temporary: Path, final: Path) -> None:
    """Sync a temporary folder with all its files and rename it. Raises AlreadyPublishedError when
    the name is taken.
    """
    with translate_errors(final):
        # Contents before the name: after a crash a published folder must not hold empty files.
        for path in sorted(temporary.rglob("*")):
            _sync(path)
        _sync(temporary)
        reached("folder_synced", _subject(final))
        # A rename replaces an empty folder without an error, so rename alone does not suffice.
        if final.exists():
            raise AlreadyPublishedError(f"{final} exists already: another writer was first")
        try:
            os.rename(temporary, final)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise AlreadyPublishedError(
                    f"{final} exists already: another writer was first"
                ) from error
            raise
        sync_folder(final.parent)
    reached("folder_published", _subject(final))


def replace_file(path: Path, data: bytes, *, is_secret: bool = False) -> None:
    """Replace the pointer `path` in one step: a reader sees the old bytes or the new.

    is_secret: see `write_synced`.
    """
    temporary = temporary_path(path)
    write_synced(temporary, data, is_secret=is_secret)
    with translate_errors(path):
        os.replace(temporary, path)
        sync_folder(path.parent)
    reached("pointer_replaced", _subject(path))


def read_json(path: Path, kind: type[T]) -> T:
    """The JSON in `path` as `kind`, a msgspec Struct. Raises DamagedError when it is not that."""
    with translate_errors(path):
        data = path.read_bytes()
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise DamagedError(f"{path} is not what was published: {error}") from error


def encode_json(value: object) -> bytes:
    """`value` as JSON that a person can read and that two programs write alike."""
    plain = msgspec.to_builtins(value, str_keys=True)
    return msgspec.json.format(msgspec.json.encode(plain, order="sorted"), indent=1) + b"\n"


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in `folder`."""
    _sync(folder)


def sweep_temporary(folder: Path, of_others: tuple[str, ...] = ()) -> None:
    """Remove what unpublished writes left in `folder`; call it only where no other writer is at
    work.

    `of_others`: how the final names of files begin that other processes may write all the same.
    """
    for path in folder.glob(f"{TEMPORARY_PREFIX}*"):
        final = path.name.removeprefix(TEMPORARY_PREFIX).split("-", 2)[-1]
        if path.is_dir() and not path.is_symlink():
            remove_shared_folder(path)
        elif not final.startswith(of_others) or is_abandoned(path):
            path.unlink(missing_ok=True)


def remove_shared_folder(folder: Path) -> None:
    """Remove a folder into which other processes may still write, such as the tasks of a driver
    that was killed.
    """
    # Under another name nobody finds it: a file that appeared in the middle would make `rmtree`
    # fail.
    hidden = temporary_path(folder.with_name("removed"))
    os.rename(folder, hidden)
    shutil.rmtree(hidden)


def is_abandoned(temporary: Path) -> bool:
    """Whether a temporary file is so old that it belongs to no writer that is still at work; not
    when it is gone.
    """
    try:
        return time.time() - temporary.stat().st_mtime > ABANDONED_SECONDS
    except FileNotFoundError:
        return False


class FileLock:
    """An OS lock on a file, held in `with`; the system frees it when its process dies, however it
    dies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Raises LockedError at once when another process holds it."""
        with translate_errors(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # The file is never removed: else two processes could lock two files of one name.
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise LockedError(
                f"another process holds {self._path}: stop it, or use another --work folder"
            ) from error
        self._descriptor = descriptor
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _LeaseNote(msgspec.Struct):
    owner: str
    renewed: float
    """Seconds since 1970, UTC."""


class Lease:
    """Who of several processes is the active one; it passes on when its holder stops renewing it.

    A lease only spares the others their work. Two processes may for a short time both believe that
    they hold it (one was stopped and continued): what must happen once is decided by
    `publish_file`, not here.
    """

    def __init__(self, path: Path, owner: str, seconds: float) -> None:
        self._path, self._owner, self._seconds = path, owner, seconds

    def acquire(self) -> bool:
        """Take or renew the lease; False while somebody else holds it."""
        note = self._note()
        if (
            note is not None
            and note.owner != self._owner
            and abs(time.time() - note.renewed) < self._seconds
        ):
            return False  # a time that lies ahead is that of a clock which has been set back since
        replace_file(self._path, encode_json(_LeaseNote(self._owner, time.time())))
        # Of two that write at once the last one wins; reading again shows the other that it lost.
        holder = self._note()
        return holder is not None and holder.owner == self._owner

    def release(self) -> None:
        """Give the lease up, so that the next one need not wait for it to run out."""
        note = self._note()
        if note is not None and note.owner == self._owner:
            self._path.unlink(missing_ok=True)

    def _note(self) -> _LeaseNote | None:
        with suppress(FileNotFoundError, msgspec.MsgspecError):
            return msgspec.json.decode(self._path.read_bytes(), type=_LeaseNote)
        return None


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turn the OSErrors inside into one StorageError that says what failed, where, and what to
    do.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # how numpy says that the disk took a part only
            raise StorageError(f"{path}: {error}: {_ADVICE[errno.ENOSPC]}") from error
        advice = _ADVICE.get(error.errno, "check the path and its permissions")
        raise StorageError(f"{path}: {(error.strerror or str(error)).lower()}: {advice}") from error


_ADVICE = {
    errno.ENOSPC: "free some space, then start again: nothing half-written was published",
    errno.EDQUOT: "free some space, then start again: nothing half-written was published",
    errno.EROFS: "the file system is read-only: name a --work folder that can be written",
    errno.EACCES: "name a --work folder that you may write",
    errno.ENOENT: "no such file or folder",
}


def _subject(path: Path) -> str:
    """The file and its folder, as failpoints name them: without what makes names temporary."""
    return re.sub(rf"{re.escape(TEMPORARY_PREFIX)}\d+-\d+-", "", f"{path.parent.name}/{path.name}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
