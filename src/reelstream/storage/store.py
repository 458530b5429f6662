"""What storage needs of a place: a folder on a disk, later a bucket of an object store.

Objects and folders of objects have names. Whatever is published appears whole or not at all, and
never replaces an existing name; only pointers are replaced. All formats and commit protocols above
(`batch_files`, `snapshot_store`, `release_store`) rest on nothing else, so another kind of place is
one more implementation that passes `tests/storage/test_store_contract.py`.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from reelstream.errors import DamagedError

T = TypeVar("T")


class Store(Protocol):
    """Named objects in one place; its methods raise StorageError when the place fails them.

    A name may contain `/` where a folder of that name was published.
    """

    def describe(self, name: str = "") -> str:
        """How a message calls an object, or the place itself."""

    def create(self) -> None:
        """Make the place ready for objects, if it is not."""

    def has(self, name: str) -> bool:
        """Whether there is an object of this name."""

    def read(self, name: str) -> bytes:
        """The content of an object. Raises StorageError when there is none of this name."""

    def put(self, name: str, data: bytes) -> None:
        """Create an object, durable when this returns.

        Raises AlreadyPublishedError when the name is taken: of several writers one wins.
        """

    def replace(self, name: str, data: bytes) -> None:
        """Create or replace a pointer in one step: a reader sees the old content or the new."""

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""

    def names(self) -> list[str]:
        """All objects and folders, in no order; unpublished ones are among them."""

    def numbers(self, pattern: str) -> tuple[tuple[int, ...], ...]:
        r"""The numbers in the names that match `pattern` as a whole, rising.

        `pattern` has a group `([1-9][0-9]*)` for each number. The same object is returned as long
        as the names are the same, so that callers can keep what they derive from it.
        """

    def new_folder(self, name: str) -> Path:
        """An empty folder on this machine, in which the folder `name` can be written."""

    def publish_folder(self, written: Path, name: str) -> None:
        """Publish a `new_folder` with all that is in it, durable when this returns.

        Raises AlreadyPublishedError when the name is taken.
        """

    def remove_folder(self, name: str) -> None:
        """Remove a folder and all that is in it, if it is there."""

    def local_path(self, name: str) -> Path:
        """Where a published object or folder can be read, or mapped, on this machine."""

    def lock(self, name: str) -> AbstractContextManager[object]:
        """Of one process at a time, in `with`. Raises LockedError at once when another has it."""

    def sweep(self, of_others: tuple[str, ...] = ()) -> None:
        """Remove what unpublished writes left; call it only where no other writer is at work.

        `of_others`: how the names begin that other processes may write all the same; what was
        written for these goes when it is too old to be still at work.
        """


def read_object(store: Store, name: str, kind: type[T]) -> T:
    """The JSON object `name` as `kind`, a msgspec Struct. Raises DamagedError when it is not."""
    data = store.read(name)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise DamagedError(f"{store.describe(name)} is not what was published: {error}") from error
