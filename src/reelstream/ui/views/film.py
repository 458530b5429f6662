"""*A film*: who likes it, what is like it, and what a user would make of it."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import FilmAnswer, SimilarFilm
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.catalog_facts import scale_of
from reelstream.ui.charts.audience import show_audience
from reelstream.ui.charts.film_history import show_film_history
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.parts.changes import show_outcome
from reelstream.ui.parts.choose_user import offered_users, show_user_choice
from reelstream.ui.parts.film_rows import show_film_name
from reelstream.ui.parts.find_films import find_films
from reelstream.ui.parts.prediction import show_prediction
from reelstream.ui.parts.ratings import show_rating_scale
from reelstream.ui.parts.why import reasons, show_why
from reelstream.ui.states import api_errors_shown, show_empty
from reelstream.ui.words import Words

_SIMILAR = 8


def show(app: App) -> None:
    """One fragment, so that typing redraws nothing else of the page."""
    st.title(app.words("film"), anchor=False)
    _show_film(app)


@st.fragment(key="film")
def _show_film(app: App) -> None:
    words = app.words
    with api_errors_shown(words):
        for found in find_films(app, key="film_query", label=words("film.find")):
            show_film_name(found, where="search")
        film = _chosen(app)
        if film is None:
            show_empty(words("film.choose"))
            return
        st.header(plain(film_name(film)), anchor=False)
        st.caption(plain(" · ".join(film.genres)) or words("genres.none"))
        _show_answers(app, film)


def _show_answers(app: App, film: FilmAnswer) -> None:
    """What the API says of the film, every answer asked for before the first is shown."""
    words, user, item_id = app.words, visitor.user_id(), film.item_id
    scale, offered = scale_of(app), app.begin(offered_users)
    prediction = app.begin(lambda client: client.predict(user, item_id))
    audience = app.begin(lambda client: client.audience(item_id))
    why = app.begin(reasons(user, item_id))
    similar = app.begin(lambda client: client.similar(item_id, _SIMILAR))
    show_user_choice(app, offered())
    left, right = st.columns([6, 5], gap="large")
    with left:
        with api_errors_shown(words):
            show_outcome(app)
            show_prediction(words, prediction(), scale)
            show_rating_scale(app, user, film, scale)
        with api_errors_shown(words):
            show_audience(words, audience())
            show_film_history(words, audience())
    with right:
        with api_errors_shown(words):
            show_why(app, user, why())
        with api_errors_shown(words):
            _show_similar(words, similar().items)


def _chosen(app: App) -> FilmAnswer | None:
    """The film in the address; else the one that comes first without a search."""
    item_id = visitor.film_id()
    if item_id is not None:
        return app.client.item(item_id)
    return next(iter(app.client.items(limit=1).items), None)


def _show_similar(words: Words, films: list[SimilarFilm]) -> None:
    st.markdown(f"**{words('similar.title')}**  \n:gray[:small[{words('similar.about')}]]")
    if not films:
        show_empty(words("similar.none"))
    for each in films:
        show_film_name(each, where="similar", note=f"· {words.decimal(each.score)}")
