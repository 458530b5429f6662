"""Why rows are rejected: what reasons have in common."""

from __future__ import annotations

import re
from functools import lru_cache

# A text in quotes too: of a thousand broken ids each would be a reason of its own.
_VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


# Millions of rows may have a few reasons.
@lru_cache(maxsize=10_000)
def kind_of(reason: str) -> str:
    """The reason without its values: rows of one kind are counted together.

    >>> kind_of("userId 'x' is not a whole number") == kind_of("userId 'y' is not a whole number")
    True
    """
    return _VALUE.sub("…", reason)
