"""What hardly changes while a server runs: asked once, and kept for a minute."""

from __future__ import annotations

import streamlit as st

from reelstream.client import Client
from reelstream.contract import ScaleStatus
from reelstream.ui.app import App

_SECONDS = 60


def scale_of(app: App) -> ScaleStatus:
    """The ratings that the data set allows."""
    return _scale(app.client)


# One API a page: its client need not be part of what is remembered.
@st.cache_data(ttl=_SECONDS, show_spinner=False)
def _scale(_client: Client) -> ScaleStatus:
    return _client.status().scale
