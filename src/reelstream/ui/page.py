"""The page that `reelstream ui` shows; Streamlit runs this file from top to bottom for every
visitor.
"""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from reelstream.client import DEFAULT_API_URL, Client
from reelstream.ui.launcher import API_KEY_FILE_VARIABLE, API_URL_VARIABLE
from reelstream.ui.model_sets import show_model_sets
from reelstream.ui.prediction import show_prediction
from reelstream.ui.segments import show_segments
from reelstream.ui.stream import read_api_state, watch_stream

_MAX_WIDTH_PIXELS = 1240  # wider lines are hard to read
_FAVICON = Path(__file__).with_name("favicon.svg")  # a named icon would be fetched from outside


# One client for all visitors and all runs of the script: it may be used from any thread.
@st.cache_resource
def _open_client(url: str, key_file: str | None) -> Client:
    return Client(url, api_key=None if key_file is None else Path(key_file).read_text().strip())


def show_page() -> None:
    """The stream's state always; prediction, segments and model sets once a set is in service."""
    st.set_page_config(page_title="reelstream", page_icon=_FAVICON, layout="wide")
    client = _open_client(
        os.environ.get(API_URL_VARIABLE, DEFAULT_API_URL), os.environ.get(API_KEY_FILE_VARIABLE)
    )
    with st.container(horizontal_alignment="center"), st.container(width=_MAX_WIDTH_PIXELS):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.title("reelstream", anchor=False, width="content")
            st.caption("Movie ratings arrive as a stream; each answer says how sure it is.")
        # Read before anything is shown: `watch_stream` compares later states with this one.
        state = read_api_state(client)
        watch_stream(client, state)
        if state.model_set is not None and state.status is not None:
            show_prediction(client)
            st.header("Segments", anchor=False)
            show_segments(client)
            st.header("Model sets", anchor=False)
            show_model_sets(client)


show_page()
