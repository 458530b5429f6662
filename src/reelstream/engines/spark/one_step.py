"""How a task writes files that another attempt at it may write as well."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reelstream.files import temporary_path


@contextmanager
def in_one_step(scratch: Path, out: Path) -> Iterator[Path]:
    """An empty folder in `scratch` whose content then moves into `out`, which must exist.

    Another attempt at the same task may be at work, or have done it already: what it wrote is the
    same, and is not written into.
    """
    folder = temporary_path(scratch / "attempt")
    folder.mkdir()
    yield folder
    for path in sorted(folder.rglob("*")):
        target = out / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            os.replace(path, target)
