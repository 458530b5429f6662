"""The fake API, in this process and behind a port."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fake_api import FakeApi, Served

from reelstream.ui.client import ApiClient


@pytest.fixture
def api() -> FakeApi:
    """A fake API whose state the test may change."""
    return FakeApi()


@pytest.fixture
def client(api: FakeApi) -> ApiClient:
    """A client of the fake API, without a network."""
    return ApiClient("http://fake", transport=httpx.WSGITransport(app=api.app()))


@pytest.fixture
def served(api: FakeApi) -> Iterator[Served]:
    """The fake API behind a port of this machine."""
    served = Served(api)
    yield served
    served.stop()
