"""Films in which a user is not interested: said with a click, and taken back with another."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from reelstream.client import Client
from reelstream.contract import DismissedAnswer
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.formatting import Titled, film_name, plain
from reelstream.ui.parts.changes import change
from reelstream.ui.parts.film_rows import show_film_to_undo

_SHOWN = 5


def dismissed(user: str) -> Callable[[Client], DismissedAnswer]:
    """The query for the list."""
    return lambda client: client.dismissed(user, limit=_SHOWN)


def show_dismissal(app: App, user: str, film: Titled) -> None:
    """A button that says "not interested"."""
    name = plain(film_name(film))

    def dismiss() -> None:
        change(
            lambda: visitor.wrote(app.client.dismiss(user, film.item_id).token),
            done=app.words("toast.dismissed", film=name),
        )

    st.button(
        "",
        key=f"dismiss-{film.item_id}",
        icon=":material/visibility_off:",
        type="tertiary",
        help=app.words("dismiss", film=name),
        on_click=dismiss,
    )


def show_dismissed(app: App, user: str, answer: DismissedAnswer) -> None:
    """The newest of them, each with an arrow that takes it back; nothing where there is none."""
    words = app.words
    if answer.items:
        st.markdown(f"**{words('dismissed.title')}** :gray[{words.number(answer.total)}]")
    for film in answer.items:
        show_film_to_undo(
            film,
            where="dismissed",
            help_text=words("dismissed.undo", film=plain(film_name(film))),
            undo=partial(_recommend_again, app, user, film),
        )


def _recommend_again(app: App, user: str, film: Titled) -> None:
    change(
        lambda: visitor.wrote(app.client.undo_dismissal(user, film.item_id).token),
        done=app.words("toast.recommended", film=plain(film_name(film))),
    )
