"""*For you*: rate films and see predictions, segment and lists follow at once."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import Id, ScaleStatus, UserAnswer
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.catalog_facts import scale_of
from reelstream.ui.charts.taste import show_taste
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.parts.changes import show_outcome
from reelstream.ui.parts.choose_user import show_user_choice
from reelstream.ui.parts.film_lists import show_film_lists, show_filters
from reelstream.ui.parts.film_rows import show_film_name
from reelstream.ui.parts.find_films import find_films
from reelstream.ui.parts.prediction import show_prediction
from reelstream.ui.parts.ratings import rate, show_rating_stars
from reelstream.ui.parts.surprises import show_surprises
from reelstream.ui.parts.why import show_why
from reelstream.ui.states import api_errors_shown, show_empty

_QUESTIONS = 5
_OWN_RATINGS = 8


def show(app: App) -> None:
    """One fragment: a click redraws the person's part and nothing else of the page."""
    st.title(app.words("for_you"), anchor=False)
    _show_person(app)


@st.fragment(key="person")
def _show_person(app: App) -> None:
    with api_errors_shown(app.words):
        scale = scale_of(app)
        left, right = st.columns([4, 9], gap="large")
        with left:
            user = show_user_choice(app)
            known = app.read(lambda client: client.user(user, limit=_OWN_RATINGS))
            with api_errors_shown(app.words):
                _show_rating(app, user, scale, known)
        # A part that fails is told in its place, and the others stay.
        with right, api_errors_shown(app.words):
            _show_segment(app, known)
            wanted = show_filters(app.words, sorted(each.genre for each in known.taste))
            first = show_film_lists(app, user, wanted, scale)
            _show_film(app, user, visitor.film_id() or first, scale)
            _show_taste(app, user, known)


def _show_rating(app: App, user: str, scale: ScaleStatus, history: UserAnswer) -> None:
    """What may be rated, and what was."""
    words = app.words
    show_outcome(app)
    found = find_films(app, key="rate_query", label=words("rate.find"))
    if found:
        for film in found:
            show_film_name(film, where="found")
            show_rating_stars(app, user, film, where="found", scale=scale)
    else:
        _show_questions(app, user, scale, history)
    st.markdown(f"**{words('rated.title')}** :gray[{words.count('ratings', history.total)}]")
    if not history.ratings:
        show_empty(words("rated.none"))
    for rated in history.ratings:
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            with st.container(width="stretch"):
                show_film_name(rated, where="own", note=f"{words.rating(rated.rating)} ★")
            st.button(
                "",
                key=f"undo-{rated.item_id}",
                icon=":material/undo:",
                type="tertiary",
                help=words("rated.undo", film=plain(film_name(rated))),
                on_click=rate,
                args=(app, user, rated, None),
            )


def _show_questions(app: App, user: str, scale: ScaleStatus, history: UserAnswer) -> None:
    """The films whose ratings would tell most."""
    words = app.words
    key = "questions.first" if not history.total else "questions.more"
    st.markdown(f"**{words(key)}**  \n:gray[:small[{words('questions.about')}]]")
    for film in app.read(lambda client: client.questions(user, _QUESTIONS)).items:
        with st.container(gap=None):
            show_film_name(film, where="asked")
            show_rating_stars(app, user, film, where="asked", scale=scale)


def _show_segment(app: App, known: UserAnswer) -> None:
    segment, words = known.segment, app.words
    if segment is not None:
        st.markdown(
            f":material/group: **{words('segment')} {segment.prediction}** · {plain(segment.label)}"
            f" :gray[· {words.count('users', segment.size)} · "
            f"{plain(', '.join(segment.genres))}]"
        )


def _show_taste(app: App, user: str, known: UserAnswer) -> None:
    """What the ratings say of the user, and which of them nobody expected."""
    if known.total:
        taste, surprises = st.columns(2, gap="large")
        with taste:
            show_taste(app.words, known)
        with surprises, api_errors_shown(app.words):
            show_surprises(app, user)


def _show_film(app: App, user: str, item_id: Id | None, scale: ScaleStatus) -> None:
    """The film that was clicked, else the first of the list: its prediction, and why."""
    if item_id is None:
        return
    with st.container(border=True), api_errors_shown(app.words):
        film = app.client.item(item_id)
        st.header(plain(film_name(film)), anchor=False)
        st.caption(plain(" · ".join(film.genres)) or app.words("genres.none"))
        prediction, why = st.columns(2, gap="large")
        with prediction:
            show_prediction(app, user, item_id, scale)
        with why:
            show_why(app, user, item_id)
