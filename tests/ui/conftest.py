"""The fake API, behind a port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_api import FakeApi, Served


@pytest.fixture
def api() -> FakeApi:
    """A fake API whose state the test may change."""
    return FakeApi()


@pytest.fixture
def served(api: FakeApi) -> Iterator[Served]:
    """The fake API behind a port of this machine."""
    served = Served(api)
    yield served
    served.stop()
