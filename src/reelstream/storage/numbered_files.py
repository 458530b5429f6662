"""Which numbered files a folder holds, found out again only when the folder may have changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from reelstream.files import translate_errors
from reelstream.storage.folder_view import FolderView


class NumberedFiles:
    """The numbers in the names of one folder's files, for many who ask again and again."""

    def __init__(self, folder: Path, pattern: str) -> None:
        r"""`pattern`: of the whole name, with a group `([1-9][0-9]*)` for each number."""
        self._folder, self._pattern = folder, re.compile(pattern)
        self._view = FolderView(folder, self._list)

    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """Those of each file, rising; none where there is no folder. The same object as long as
        they are the same.

        Raises StorageError.
        """
        with translate_errors(self._folder):
            try:
                return self._view.content()
            except FileNotFoundError:
                return ()

    def _list(self) -> tuple[tuple[int, ...], ...]:
        names = os.listdir(self._folder)  # noqa: PTH208 (a Path for each would cost as much as all the rest)
        matches = filter(None, map(self._pattern.fullmatch, names))
        return tuple(sorted(tuple(map(int, match.groups())) for match in matches))
