"""*Segments*: what kinds of users there are."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import SegmentAnswer
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.charts.tastes import show_tastes
from reelstream.ui.charts.user_map import show_user_map
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.states import api_errors_shown
from reelstream.ui.words import Words

_EXAMPLES = 3
_MAPPED_USERS = 400


def show(app: App) -> None:
    """Sizes and tastes as a picture, and a card for each segment."""
    words = app.words
    st.title(words("segments"), anchor=False)
    st.caption(words("segments.about"))
    with api_errors_shown(words):
        segments = app.client.segments().segments
        names = {each.number: f"{each.number} · {each.label}" for each in segments}
        left, right = st.columns([7, 5], gap="large")
        with left, api_errors_shown(words):
            show_user_map(
                words, app.client.users_on_the_map(_MAPPED_USERS), names, visitor.user_id()
            )
        with right:
            show_tastes(words, segments)
        for start in range(0, len(segments), 2):
            for column, segment in zip(st.columns(2), segments[start : start + 2], strict=False):
                with column:
                    _show_segment(words, segment)


def _show_segment(words: Words, segment: SegmentAnswer) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{segment.number} · {plain(segment.label)}**")
        st.caption(
            f"{words.count('users', segment.size)} · "
            + words(
                "segments.habits",
                ratings=words.number(segment.ratings),
                mean=words.decimal(segment.mean),
                spread=words.decimal(segment.spread),
            )
        )
        films = ", ".join(film_name(film) for film in segment.films[:_EXAMPLES])
        st.markdown(f":material/movie: {plain(films)}")
