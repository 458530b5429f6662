"""Why a film's rating is expected of a user, and what one of the user's ratings changes."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from reelstream.client import Client
from reelstream.contract import BecauseAnswer, Id, RatingPart
from reelstream.ui.app import App
from reelstream.ui.charts.because import CLICKED, rating_name, show_because
from reelstream.ui.charts.frame import Clicks
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.parts.film_lists import Wanted, films_shown, listed

# Ratings with a bar of their own; the others are added up.
_RATINGS = 6


def reasons(user: str, item_id: Id) -> Callable[[Client], BecauseAnswer]:
    """The query for the bars."""
    return lambda client: client.because(user, item_id, limit=_RATINGS)


def show_why(app: App, user: str, answer: BecauseAnswer, wanted: Wanted | None = None) -> None:
    """The user's ratings and the film itself, as bars that add up to the prediction; a click on a
    rating shows the list without it.

    wanted: what the user wants of the list; the best films when absent.
    """
    rated = {str(each.item_id): each for each in answer.ratings}
    chart, choice = (f"{what}-{user}-{answer.item_id}" for what in ("because", "without"))

    def clicked() -> None:
        points = st.session_state[chart].selection.get(CLICKED, [])
        # A click beside the ratings takes the choice back.
        st.session_state[choice] = next(
            (point["item"] for point in points if point.get("item") in rated), None
        )

    show_because(app.words, answer, Clicks(key=chart, selected=clicked))
    if rated:
        _show_without(app, user, rated, choice, wanted or Wanted())


def _show_without(
    app: App, user: str, rated: dict[str, RatingPart], key: str, wanted: Wanted
) -> None:
    """The list as it would be without one of these ratings. key: of the choice, in the session."""
    words = app.words
    chosen = st.selectbox(
        words("without.choose"),
        list(rated),
        index=None,
        format_func=lambda item_id: rating_name(words, rated[item_id]),
        key=key,
        placeholder=words("without.none"),
    )
    if chosen is None:
        return
    films = app.read(listed(user, wanted, without=chosen)).items
    shown = films_shown(user)
    lines = [
        f"1. {plain(film_name(film))}"
        + (f" :green-badge[{words('list.new')}]" if shown and film.item_id not in shown else "")
        for film in films
    ]
    name = plain(film_name(rated[chosen]))
    st.markdown(f"**{words('without.title', film=name)}**\n\n" + "\n".join(lines))
