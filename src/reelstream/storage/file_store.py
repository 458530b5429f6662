"""A folder on a disk as a place for objects."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from reelstream.failpoints import reached
from reelstream.files import (
    FileLock,
    publish_bytes,
    publish_folder,
    replace_file,
    sweep_temporary,
    temporary_path,
    translate_errors,
)
from reelstream.storage.numbered_files import NumberedFiles


class FileStore:
    """See `Store`: objects are files. Several processes may share the folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._numbered: dict[str, NumberedFiles] = {}

    def __reduce__(self) -> tuple[type[FileStore], tuple[Path]]:
        # Spark's workers open the place too, and may run in another working folder.
        return FileStore, (self._root.absolute(),)

    def describe(self, name: str = "") -> str:
        """The path."""
        return str(self._root / name)

    def create(self) -> None:
        """Make the folder."""
        with translate_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)

    def has(self, name: str) -> bool:
        """See `Store.has`."""
        path = self._root / name
        with translate_errors(path):
            return path.is_file()

    def read(self, name: str) -> bytes:
        """See `Store.read`."""
        path = self._root / name
        with translate_errors(path):
            return path.read_bytes()

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        publish_bytes(self._root / name, data)

    def replace(self, name: str, data: bytes) -> None:
        """See `Store.replace`."""
        replace_file(self._root / name, data)

    def remove(self, name: str) -> None:
        """See `Store.remove`."""
        path = self._root / name
        with translate_errors(path):
            path.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """See `Store.names`."""
        with translate_errors(self._root), suppress(FileNotFoundError):
            return [path.name for path in self._root.iterdir()]
        return []

    def numbers(self, pattern: str) -> tuple[tuple[int, ...], ...]:
        """See `Store.numbers`."""
        # One object for each pattern: it remembers the last list of the folder.
        files = self._numbered.setdefault(pattern, NumberedFiles(self._root, pattern))
        return files.numbers()

    def new_folder(self, name: str) -> Path:
        """A folder beside the final one, so that publishing it is a rename."""
        temporary = temporary_path(self._root / name)
        with translate_errors(temporary):
            temporary.mkdir(parents=True)
        return temporary

    def publish_folder(self, written: Path, name: str) -> None:
        """See `Store.publish_folder`."""
        publish_folder(written, self._root / name)

    def remove_folder(self, name: str) -> None:
        """See `Store.remove_folder`. A link is not followed, and stays."""
        path = self._root / name
        if path.is_symlink() or not path.is_dir():
            return
        # Another process may remove the same folder, or be first.
        with translate_errors(path), suppress(FileNotFoundError):
            shutil.rmtree(path)
        reached("folder_removed", f"{self._root.name}/{name}")

    def local_path(self, name: str) -> Path:
        """The path itself."""
        return self._root / name

    def lock(self, name: str) -> FileLock:
        """See `Store.lock`: an OS lock, which dies with its process."""
        return FileLock(self._root / name)

    def sweep(self, of_others: tuple[str, ...] = ()) -> None:
        """See `Store.sweep`."""
        with translate_errors(self._root):
            sweep_temporary(self._root, of_others)
