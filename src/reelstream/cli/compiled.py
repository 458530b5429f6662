"""The functions that Numba has compiled: where they are kept, and whether there are any."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def compiled_folder() -> Path:
    """Where Numba keeps what it compiles: as it says, beside the source, or in the person's cache
    where that cannot be written.
    """
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(named)
    if os.access(_PACKAGE, os.W_OK):
        return _PACKAGE
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numba"


def is_compiled() -> bool:
    """Whether anything is kept there; another version of a function is compiled all the same."""
    return next(compiled_folder().rglob("*.nbi"), None) is not None
