"""The fake API, behind a port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st
from fake_api import FakeApi, Served

from reelstream.ui.launcher import API_URL_VARIABLE


@pytest.fixture
def api() -> FakeApi:
    """A fake API whose state the test may change."""
    return FakeApi()


@pytest.fixture
def served(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The fake API behind a port of this machine, where the page looks for it."""
    served = Served(api)
    monkeypatch.setenv(API_URL_VARIABLE, served.url)
    yield served
    served.stop()
    st.cache_resource.clear()
    st.cache_data.clear()
