"""The page that `reelstream ui` shows; Streamlit runs this file from top to bottom for every
visitor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from reelstream.client import DEFAULT_API_URL, Client
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.health_watch import ApiState, read_api_state, watch_health
from reelstream.ui.launcher import API_KEY_FILE_VARIABLE, API_URL_VARIABLE
from reelstream.ui.states import show_api_error, show_waiting
from reelstream.ui.texts import LANGUAGES
from reelstream.ui.views import film, for_you, health, live, models, segments

_MAX_WIDTH_PIXELS = 1500  # wider lines are hard to read
_STYLE = Path(__file__).with_name("style.css")
_FAVICON = Path(__file__).with_name("favicon.svg")  # a named icon would be fetched from outside

# Key of the title and path, icon, what shows it, and whether it needs a set in service.
_VIEWS: tuple[tuple[str, str, Callable[[App], None], bool], ...] = (
    ("live", "stream", live.show, False),
    ("for_you", "person", for_you.show, True),
    ("film", "movie", film.show, True),
    ("segments", "groups", segments.show, True),
    ("models", "deployed_code", models.show, False),
    ("health", "monitor_heart", health.show, False),
)


# One client for all visitors and all runs of the script: it may be used from any thread.
@st.cache_resource
def _open_client(url: str, key_file: str | None) -> Client:
    return Client(url, api_key=None if key_file is None else Path(key_file).read_text().strip())


def show_page() -> None:
    """The view in the address, or the state that prevents it."""
    st.set_page_config(page_title="reelstream", page_icon=_FAVICON, layout="wide")
    st.html(_STYLE)
    words = visitor.words()
    client = _open_client(
        os.environ.get(API_URL_VARIABLE, DEFAULT_API_URL), os.environ.get(API_KEY_FILE_VARIABLE)
    )
    app = App(client=client, words=words)
    state = read_api_state(app.client)
    pages = [
        st.Page(
            partial(_show_view, app, state, show, needs_set),
            title=words(key),
            icon=f":material/{icon}:",
            url_path=key,
            default=key == "live",
        )
        for key, icon, show, needs_set in _VIEWS
    ]
    current = st.navigation(pages, position="top")
    with st.container(horizontal_alignment="center"), st.container(width=_MAX_WIDTH_PIXELS):
        with st.container(horizontal=True, vertical_alignment="center"):
            with st.container(width="stretch"):
                watch_health(app, state)
            _show_languages(app)
        current.run()


def _show_view(app: App, state: ApiState, show: Callable[[App], None], needs_set: bool) -> None:
    if state.error:
        show_api_error(app.words, state.error)
    elif needs_set and state.model_set is None:
        show_waiting(app.words, state.health.reasons if state.health else [])
    else:
        show(app)


def _show_languages(app: App) -> None:
    def chosen() -> None:
        visitor.choose_language(st.session_state.language)

    st.segmented_control(
        app.words("language"),
        list(LANGUAGES),
        format_func=lambda language: LANGUAGES[language],
        default=app.words.language,
        required=True,
        label_visibility="collapsed",
        key="language",
        on_change=chosen,
    )


show_page()
