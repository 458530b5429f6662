"""Which numbered files a folder holds, found out again only when the folder may have changed."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from reelstream.files import translate_errors

# Longer than a tick of any file system's clock; the slowest, FAT's, ticks every two seconds.
STABLE_SECONDS = 2.5


class _Seen(NamedTuple):
    stamp: tuple[int, ...]
    """The folder's identity and times."""
    since: float
    """When the folder was first seen with this stamp."""
    is_stable: bool
    """Whether it was listed so long after that any later change gives it another stamp."""
    numbers: tuple[tuple[int, ...], ...]


class NumberedFiles:
    """The numbers in the names of one folder's files, for many who ask again and again.

    A folder's time tells that a file came or went, but not that another one followed within the
    same tick of the file system's clock. So a list is reused only if it was made longer than a tick
    after the folder had last changed. Only this machine's clock measures how long that is: a file
    server's may show another time.
    """

    def __init__(self, folder: Path, pattern: str) -> None:
        r"""`pattern`: of the whole name, with a group `([1-9][0-9]*)` for each number."""
        self._folder, self._pattern = folder, re.compile(pattern)
        self._seen: _Seen | None = None

    def numbers(self) -> tuple[tuple[int, ...], ...]:
        """Those of each file, rising; none where there is no folder. The same object as long as
        they are the same.

        Raises StorageError.
        """
        with translate_errors(self._folder):
            try:
                status = self._folder.stat()
            except FileNotFoundError:
                return ()
            now, seen = time.monotonic(), self._seen
            # The second time cannot be set by who copies files and their times.
            stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
            if seen is not None and seen.stamp == stamp:
                if seen.is_stable:
                    return seen.numbers
                since = seen.since
            else:
                since = now
            # A change in the same tick as the stamp would not alter it: list again until then.
            names = os.listdir(self._folder)  # noqa: PTH208 (a Path for each would cost as much as all the rest)
        matches = filter(None, map(self._pattern.fullmatch, names))
        numbers = tuple(sorted(tuple(map(int, match.groups())) for match in matches))
        # Callers compare by identity to keep what they derived from the numbers.
        if seen is not None and seen.numbers == numbers:
            numbers = seen.numbers
        self._seen = _Seen(stamp, since, now - since >= STABLE_SECONDS, numbers)
        return numbers
