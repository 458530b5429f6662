"""Finding a film while typing."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import FilmAnswer
from reelstream.ui.app import App
from reelstream.ui.states import show_empty

_FOUND = 5


def find_films(app: App, *, key: str, label: str) -> list[FilmAnswer]:
    """The films whose titles hold what is typed, best match first; none while nothing is typed."""
    query = st.text_input(
        label,
        type="search",
        live=True,
        placeholder=app.words("film.search"),
        key=key,
        max_chars=100,
    )
    if not query or not query.strip():
        return []
    films = app.client.items(query, limit=_FOUND).items
    if not films:
        show_empty(app.words("film.none"))
    return films
