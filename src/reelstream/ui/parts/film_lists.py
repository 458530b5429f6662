"""Two lists of films for a user, side by side: the best, and those with the highest stars. What
they do not share is what it means that ratings are missing for a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from reelstream.client import Client
from reelstream.contract import Id, RecommendationsAnswer, RecommendedFilm, ScaleStatus
from reelstream.ui.app import App
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.parts.dismissals import show_dismissal
from reelstream.ui.parts.film_rows import show_film_name
from reelstream.ui.parts.ratings import show_rating_stars
from reelstream.ui.words import Words

LIST_LENGTH = 10
STRATEGIES = ("best", "cautious", "explore")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a visitor asks of both lists."""

    strategy: str = "best"
    filters: dict[str, Any] = field(default_factory=dict)
    """Fields of RecommendationsQuery."""


def show_filters(words: Words, genres: list[str]) -> Wanted:
    """How bold, which genres, which years."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        strategy = st.segmented_control(
            words("strategy"),
            STRATEGIES,
            default="best",
            required=True,
            format_func=lambda each: words(f"strategy.{each}"),
            help=words("strategy.help"),
            key="strategy",
            bind="query-params",
        )
        chosen = st.multiselect(
            words("genres"),
            genres,
            key="genres",
            placeholder=words("genres.any"),
            width=220,
            persist_state="session",
        )
        with st.container(width=112):
            first = st.number_input(
                words("year.from"), 1, 9999, None, step=1, key="year_from", persist_state="session"
            )
        with st.container(width=112):
            last = st.number_input(
                words("year.to"), 1, 9999, None, step=1, key="year_to", persist_state="session"
            )
    filters = {"genre": ",".join(chosen), "year_from": first, "year_to": last}
    return Wanted(
        strategy=strategy or "best",
        filters={name: value for name, value in filters.items() if value},
    )


@dataclass(frozen=True, kw_only=True)
class Lists:
    """Both lists, under the same filters: what differs between them is the strategy alone."""

    wanted: Wanted
    best: Callable[[], RecommendationsAnswer]
    stars: Callable[[], RecommendationsAnswer]


def begin_lists(app: App, user: str, wanted: Wanted) -> Lists:
    """Ask for both lists."""
    return Lists(
        wanted=wanted,
        best=app.begin(listed(user, wanted)),
        stars=app.begin(listed(user, replace(wanted, strategy="rating"))),
    )


def show_film_lists(app: App, user: str, lists: Lists, scale: ScaleStatus) -> Id | None:
    """Both lists; returns the first film of the best list."""
    words, wanted, best, stars = app.words, lists.wanted, lists.best(), lists.stars()
    with st.container(key="wide-lists"):
        left, right = st.columns([6, 5], gap="medium")
    shared = {film.item_id for film in best.items} & {film.item_id for film in stars.items}
    with left, st.container(border=True, key="best-list"):
        st.markdown(
            f"**{words(f'list.{wanted.strategy}')}**  \n:gray[:small[{words('list.best.about')}]]"
        )
        _show_best(app, user, best, scale)
    with right, st.container(border=True, key="stars-list"):
        st.markdown(f"**{words('list.rating')}**  \n:gray[:small[{words('list.rating.about')}]]")
        _show_stars(words, stars.items, shared)
        st.caption(words("list.shared", n=len(shared), of=len(best.items)))
    return best.items[0].item_id if best.items else None


def listed(
    user: str, wanted: Wanted, *, without: str | None = None
) -> Callable[[Client], RecommendationsAnswer]:
    """The query for a list, or for what it would be without the user's rating of one film."""
    more = wanted.filters if without is None else wanted.filters | {"without": without}
    return lambda client: client.recommendations(
        user, LIST_LENGTH, strategy=wanted.strategy, **more
    )


def films_shown(user: str) -> list[Id]:
    """The best list that this visitor saw last, if it was this user's."""
    last = st.session_state.get("last_list")
    return last["ranked"] if last is not None and last["user"] == user else []


def _show_best(app: App, user: str, answer: RecommendationsAnswer, scale: ScaleStatus) -> None:
    if not answer.items:
        st.caption(app.words("list.empty"))
    moves = _moves(user, [film.item_id for film in answer.items])
    for rank, film in enumerate(answer.items, 1):
        with st.container(
            horizontal=True, vertical_alignment="center", gap="xsmall", key=f"row-best-{rank}"
        ):
            with st.container(width="stretch", gap=None):
                move = _move_badge(app.words, moves[film.item_id])
                show_film_name(film, where="best", note="")
                st.caption(f"{rank} · {_figures(app.words, film)} {move}")
            show_rating_stars(app, user, film, where="best", scale=scale)
            show_dismissal(app, user, film)


def _show_stars(words: Words, films: list[RecommendedFilm], shared: set[Id]) -> None:
    for rank, film in enumerate(films, 1):
        with st.container(gap=None, key=f"row-stars-{rank}"):
            show_film_name(film, where="stars")
            also = f" · {words('list.in_both')}" if film.item_id in shared else ""
            st.caption(f"{rank} · {_figures(words, film)}{also}")


def _figures(words: Words, film: RecommendedFilm) -> str:
    because = ""
    if film.reasons:
        because = words("list.because", film=plain(film_name(film.reasons[0])))
    stars = f"{words.decimal(film.prediction, 1)} ★"
    return f"{stars} ± {words.decimal(film.sd, 1)}{' · ' if because else ''}{because}"


def _moves(user: str, ranked: list[Id]) -> dict[Id, int | None]:
    """How many places each film rose since this visitor last saw the list; None: it was not in it.
    All are 0 when there was no list before.
    """
    before = st.session_state.get("last_list")
    if before is not None and before["user"] == user and before["ranked"] != ranked:
        places = {item_id: place for place, item_id in enumerate(before["ranked"])}
        moves = {
            item_id: places[item_id] - place if item_id in places else None
            for place, item_id in enumerate(ranked)
        }
    else:
        # Drawn again without a new list: the marks of the last change stay.
        kept = before["moves"] if before is not None and before["user"] == user else {}
        moves = {item_id: kept.get(item_id, 0) for item_id in ranked}
    st.session_state.last_list = {"user": user, "ranked": ranked, "moves": moves}
    return moves


def _move_badge(words: Words, rise: int | None) -> str:
    if rise is None:
        return f":green-badge[{words('list.new')}]"
    if rise > 0:
        return f":green[▲ {rise}]"
    return f":gray[▼ {-rise}]" if rise < 0 else ""
