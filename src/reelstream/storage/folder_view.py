"""What a folder holds, read again only when it may have changed: for many who ask again and
again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

# Longer than a tick of any file system's clock; the slowest, FAT's, ticks every two seconds.
STABLE_SECONDS = 2.5

T = TypeVar("T")


class _Seen(NamedTuple, Generic[T]):
    stamp: tuple[int, ...]
    """The folder's identity and times."""
    since: float
    """When the folder was first seen with this stamp."""
    is_stable: bool
    """Whether it was read so long after that any later change gives it another stamp."""
    content: T


class FolderView(Generic[T]):
    """The content of a folder, as `read` finds it; any thread may ask.

    A folder's time tells that a file came or went, but not that another one followed within the
    same tick of the file system's clock. So what was read is used again only if that was longer
    than a tick after the folder had last changed. Only this machine's clock measures how long that
    is: a file server's may show another time.
    """

    def __init__(self, folder: Path, read: Callable[[], T]) -> None:
        self._folder, self._read = folder, read
        # One assignment replaces it: other threads find all of it new, or all of it old.
        self._seen: _Seen[T] | None = None

    def content(self) -> T:
        """What the folder holds now; the same object as long as it is equal, so that callers can
        tell by identity. Raises FileNotFoundError when there is none, and what `read` raises.
        """
        status = self._folder.stat()
        now, seen = time.monotonic(), self._seen
        # The second time cannot be set by who copies files and their times.
        stamp = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        since = now
        if seen is not None and seen.stamp == stamp:
            if seen.is_stable:
                return seen.content
            since = seen.since
        # A change in the same tick as the stamp would not alter it: read again until then.
        content = self._read()
        if seen is not None and seen.content == content:
            content = seen.content
        self._seen = _Seen(stamp, since, now - since >= STABLE_SECONDS, content)
        return content
