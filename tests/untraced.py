"""Processes that coverage does not trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def untraced() -> Iterator[None]:
    """Processes that are started meanwhile run without the tracer, which takes a third of their
    time: for those that are killed, or that run what is traced elsewhere.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield
