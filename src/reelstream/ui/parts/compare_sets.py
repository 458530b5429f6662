"""Two model sets beside one another: what each would have one user watch."""

from __future__ import annotations

import streamlit as st

from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.states import api_errors_shown

_FILMS = 5


@st.fragment
def show_comparison(app: App, numbers: list[int]) -> None:
    """The best films of two sets for the visitor's user. numbers: of the sets, newest first."""
    words, user = app.words, visitor.user_id()
    st.header(words("compare.title"), anchor=False)
    st.caption(words("compare.about", user=user))
    for place, column in enumerate(st.columns(2, gap="large")):
        with column:
            number = st.selectbox(words("models.set"), numbers, index=place, key=f"compare-{place}")
            # Only the newest are kept: an older one is refused, and the API says so.
            with api_errors_shown(words):
                _show_best(app, user, number)


def _show_best(app: App, user: str, number: int) -> None:
    answer = app.client.as_of(number).recommendations(user, _FILMS)
    st.markdown(
        "\n".join(
            f"1. {plain(film_name(film))} :gray[{app.words.decimal(film.prediction, 1)} ★ ± "
            f"{app.words.decimal(film.sd, 1)}]"
            for film in answer.items
        )
    )
