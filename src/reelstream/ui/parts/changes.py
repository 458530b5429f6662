"""What a click changes at the API, and what became of it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from reelstream.errors import ApiError
from reelstream.ui.app import App
from reelstream.ui.states import show_api_error


def change(request: Callable[[], object], *, done: str) -> None:
    """Send what changes something. Its outcome is shown by the next `show_outcome`: a callback may
    not show anything.

    done: what to say when it was accepted.
    """
    try:
        request()
        st.session_state.pop("refused", None)
        st.session_state.toast = done
    except ApiError as error:
        st.session_state.refused = error


def show_outcome(app: App) -> None:
    """What became of the last click: a word when it was accepted, else why not."""
    toast = st.session_state.pop("toast", None)
    if "refused" in st.session_state:
        show_api_error(app.words, st.session_state.refused)
    elif toast:
        st.toast(toast)
