"""*For you*: rate films and see predictions, segment and lists follow at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import streamlit as st

from reelstream.client import Client
from reelstream.contract import (
    BecauseAnswer,
    FilmAnswer,
    FullAnswer,
    Id,
    QuestionFilm,
    QuestionsAnswer,
    ScaleStatus,
    SurprisesAnswer,
    UserAnswer,
)
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.catalog_facts import scale_of
from reelstream.ui.charts.taste import show_taste
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.parts.changes import show_outcome
from reelstream.ui.parts.choose_user import offered_users, show_user_choice
from reelstream.ui.parts.dismissals import dismissed, show_dismissed
from reelstream.ui.parts.film_lists import Wanted, begin_lists, show_film_lists, show_filters
from reelstream.ui.parts.film_rows import show_film_name, show_film_to_undo
from reelstream.ui.parts.find_films import find_films
from reelstream.ui.parts.prediction import show_prediction
from reelstream.ui.parts.ratings import rate, show_rating_stars
from reelstream.ui.parts.surprises import show_surprises, surprises
from reelstream.ui.parts.why import reasons, show_why
from reelstream.ui.states import api_errors_shown, show_empty
from reelstream.ui.words import Words

_QUESTIONS = 5
_OWN_RATINGS = 8
_SEARCH = "rate_query"
"""Key of what is typed to find a film."""


def show(app: App) -> None:
    """One fragment: a click redraws the person's part and nothing else of the page."""
    st.title(app.words("for_you"), anchor=False)
    _show_person(app)


@st.fragment(key="person")
def _show_person(app: App) -> None:
    with api_errors_shown(app.words):
        user, chosen = visitor.user_id(), visitor.film_id()
        # Asked for before anything is drawn: while one answer is shown the others are made.
        coming, offered = app.begin(_user(user)), app.begin(offered_users)
        asked, refused = _begin_questions(app, user), app.begin(dismissed(user))
        film = _begin_film(app, user, chosen) if chosen else None
        scale, known = scale_of(app), coming()
        surprising = app.begin(surprises(user)) if known.total else None
        left, right = st.columns([4, 9], gap="large")
        # A part that fails is told in its place, and the others stay.
        with right, api_errors_shown(app.words):
            _show_segment(app, known)
            wanted = show_filters(app.words, sorted(each.genre for each in known.taste))
        lists = begin_lists(app, user, wanted)
        with left, api_errors_shown(app.words):
            show_user_choice(app, offered())
            _show_rating(app, user, scale, known, asked)
            show_dismissed(app, user, refused())
        with right, api_errors_shown(app.words):
            first = show_film_lists(app, user, lists, scale)
            if film is None and first is not None:
                film = _begin_film(app, user, first)
            if film is not None:
                _show_film(app, user, film, scale, wanted)
            _show_taste(app.words, known, surprising)


def _user(user: str) -> Callable[[Client], UserAnswer]:
    return lambda client: client.user(user, limit=_OWN_RATINGS)


def _begin_questions(app: App, user: str) -> Callable[[], QuestionsAnswer]:
    def query(client: Client) -> QuestionsAnswer:
        return client.questions(user, _QUESTIONS)

    # What is found while typing takes the questions' place.
    is_typing = bool(st.session_state.get(_SEARCH))
    return (lambda: app.read(query)) if is_typing else app.begin(query)


def _show_rating(
    app: App,
    user: str,
    scale: ScaleStatus,
    history: UserAnswer,
    asked: Callable[[], QuestionsAnswer],
) -> None:
    """What may be rated, and what was."""
    words = app.words
    show_outcome(app)
    found = find_films(app, key=_SEARCH, label=words("rate.find"))
    if found:
        for film in found:
            show_film_name(film, where="found")
            show_rating_stars(app, user, film, where="found", scale=scale)
    else:
        _show_questions(app, user, scale, asked().items, is_new=not history.total)
    st.markdown(f"**{words('rated.title')}** :gray[{words.count('ratings', history.total)}]")
    if not history.ratings:
        show_empty(words("rated.none"))
    for rated in history.ratings:
        show_film_to_undo(
            rated,
            where="own",
            note=f"{words.rating(rated.rating)} ★",
            help_text=words("rated.undo", film=plain(film_name(rated))),
            undo=partial(rate, app, user, rated, None),
        )


def _show_questions(
    app: App, user: str, scale: ScaleStatus, films: list[QuestionFilm], *, is_new: bool
) -> None:
    """The films whose ratings would tell most."""
    words = app.words
    key = "questions.first" if is_new else "questions.more"
    st.markdown(f"**{words(key)}**  \n:gray[:small[{words('questions.about')}]]")
    for film in films:
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


def _show_taste(
    words: Words, known: UserAnswer, surprising: Callable[[], SurprisesAnswer] | None
) -> None:
    """What the ratings say of the user, and which of them nobody expected."""
    if surprising is not None:
        with st.container(key="wide-taste"):
            taste, surprised = st.columns(2, gap="large")
        with taste:
            show_taste(words, known)
        with surprised, api_errors_shown(words):
            show_surprises(words, surprising().ratings)


@dataclass(frozen=True, kw_only=True)
class _Film:
    """What is asked about one film for one user."""

    film: Callable[[], FilmAnswer]
    prediction: Callable[[], FullAnswer]
    why: Callable[[], BecauseAnswer]


def _begin_film(app: App, user: str, item_id: Id) -> _Film:
    return _Film(
        film=app.begin(lambda client: client.item(item_id)),
        prediction=app.begin(lambda client: client.predict(user, item_id)),
        why=app.begin(reasons(user, item_id)),
    )


def _show_film(app: App, user: str, asked: _Film, scale: ScaleStatus, wanted: Wanted) -> None:
    """The film that was clicked, else the first of the list: its prediction, and why."""
    with st.container(border=True, key="wide-film"), api_errors_shown(app.words):
        film = asked.film()
        st.header(plain(film_name(film)), anchor=False)
        st.caption(plain(" · ".join(film.genres)) or app.words("genres.none"))
        prediction, why = st.columns(2, gap="large")
        with prediction:
            show_prediction(app.words, asked.prediction(), scale)
        with why, api_errors_shown(app.words):
            show_why(app, user, asked.why(), wanted)
