"""Rows of films: a name to click, and what can be done with the film."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from reelstream.ui import visitor
from reelstream.ui.formatting import Titled, film_name, plain


def show_film_name(film: Titled, *, where: str, note: str = "") -> None:
    """The name as a button that chooses the film; `where` keeps apart two rows of one film."""
    label = plain(film_name(film))
    st.button(
        f"{label} :gray[{note}]" if note else label,
        key=f"film-{where}-{film.item_id}",
        type="tertiary",
        on_click=visitor.choose_film,
        args=(film.item_id,),
    )


def show_film_to_undo(
    film: Titled, *, where: str, note: str = "", help_text: str, undo: Callable[[], None]
) -> None:
    """A name, and an arrow that takes back what was said of the film. help_text: what that does."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        with st.container(width="stretch"):
            show_film_name(film, where=where, note=note)
        st.button(
            "",
            key=f"undo-{where}-{film.item_id}",
            icon=":material/undo:",
            type="tertiary",
            help=help_text,
            on_click=undo,
        )
