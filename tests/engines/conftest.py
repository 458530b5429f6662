"""What the tests of the engines share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _untraced(untraced_processes: None) -> None:
    """Spark's processes, and those that only compile."""
