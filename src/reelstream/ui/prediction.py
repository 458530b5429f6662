"""The middle of the page: choose a user and a movie, see what the model set in service says of
them.
"""

from __future__ import annotations

import streamlit as st

from reelstream.client import Client
from reelstream.contract import FilmAnswer, FullAnswer, Id
from reelstream.ui.api_errors import api_errors_shown
from reelstream.ui.charts import prediction_chart
from reelstream.ui.wording import count, day, film_name, plain

_SUGGESTIONS = 5
_NEWEST_RATINGS = 5


@st.fragment
def show_prediction(client: Client) -> None:
    """Two searches on the left, the answer on the right; typing redraws nothing else of the
    page.
    """
    searches, answers = st.columns([4, 7], gap="large")
    with searches, api_errors_shown():
        user_id = _choose_user(client)
        film = _choose_film(client)
    if user_id is None or film is None:
        return
    with answers, api_errors_shown(), st.container(border=True):
        _show_answer(client.predict(user_id, film.item_id), user_id, film)
    # Last, although it stands on the left: the answer does not wait for it.
    with searches, api_errors_shown():
        _show_history(client, user_id)


def _choose_user(client: Client) -> Id | None:
    query = st.text_input(
        "User",
        type="search",
        live=True,
        placeholder="Search by id",
        key="user_query",
    )
    known = {
        user.user_id: user.ratings for user in client.users(query or "", limit=_SUGGESTIONS).users
    }
    options = list(known)
    # A user without ratings can be chosen too: the model answers from the prior.
    newcomer = (query or "").strip()
    if newcomer and newcomer not in map(str, known):
        options.append(newcomer)
    return st.radio(
        "Users found",
        options,
        format_func=lambda user_id: (
            f"User {plain(str(user_id))} :gray[·"
            f" {count(known[user_id], 'rating', 'ratings') if user_id in known else 'new here'}]"
        ),
        label_visibility="collapsed",
        key="user",
    )


def _choose_film(client: Client) -> FilmAnswer | None:
    query = st.text_input(
        "Movie", type="search", live=True, placeholder="Search by title", key="film_query"
    )
    films = {film.item_id: film for film in client.items(query or "", limit=_SUGGESTIONS).items}
    if not films:
        st.caption("No movie has such a title.")
    chosen = st.radio(
        "Movies found",
        list(films),
        format_func=lambda item_id: plain(film_name(films[item_id])),
        label_visibility="collapsed",
        key="film",
    )
    return films.get(chosen)


def _show_answer(answer: FullAnswer, user_id: Id, film: FilmAnswer) -> None:
    rating, like, segment = answer.regression, answer.classification, answer.clustering
    st.subheader(plain(film_name(film)), anchor=False)
    genres = " · ".join(map(plain, film.genres)) or "No genres known"
    st.caption(f"{genres} — for user {plain(str(user_id))}")
    low, high = rating.interval
    predicted, interval, liked = st.columns([3, 4, 4])
    predicted.metric("Predicted rating", f"{rating.prediction:.2f}")
    interval.metric(
        "95 % interval", f"{low:.1f} – {high:.1f}", help=f"Standard deviation {rating.sd:.2f}"
    )
    liked.metric(
        "Chance to like it",
        f"{like.probability:.0%}",
        help=f"That the rating is {like.threshold:g} or higher",
    )
    st.altair_chart(
        prediction_chart(rating),
        alt=f"Predicted {rating.prediction:.2f}, from {low:.1f} to {high:.1f}",
    )
    st.markdown(
        f"**Segment {segment.prediction}** · {plain(segment.label)} "
        f":gray[· {count(segment.size, 'user', 'users')}]  \n:gray[{_basis(answer)}]"
    )


def _basis(answer: FullAnswer) -> str:
    basis = answer.basis
    if not basis.known_user:
        return (
            f"Nothing is known of this user: model set {answer.model_set} says what it expects of"
            " anybody."
        )
    live = f", {basis.live:,} of them since it was trained" if basis.live else ""
    return (
        f"Model set {answer.model_set} answers from {count(basis.ratings, 'rating', 'ratings')} of"
        f" this user{live}."
    )


def _show_history(client: Client, user_id: Id) -> None:
    history = client.user(user_id, limit=_NEWEST_RATINGS)
    if not history.ratings:
        return
    st.markdown(
        f"**Newest of {count(history.total, 'rating', 'ratings')} by user {plain(str(user_id))}**"
    )
    st.table(
        {
            "Movie": [plain(film_name(rated)) for rated in history.ratings],
            "Rating": [f"{rated.rating:g}" for rated in history.ratings],
            "Day": [day(rated.timestamp) for rated in history.ratings],
        },
        border="horizontal",
        hide_index=True,
    )
