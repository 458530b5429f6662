"""Choosing whom the page is about: a new user, or any user of the stream."""

from __future__ import annotations

import streamlit as st

from reelstream.client import Client
from reelstream.contract import UsersAnswer
from reelstream.ui import visitor
from reelstream.ui.app import App
from reelstream.ui.words import Words

# How many users are offered; every other one can be typed.
_OFFERED = 10


def offered_users(client: Client) -> UsersAnswer:
    """The users whom the box offers."""
    return client.users(limit=_OFFERED)


def show_user_choice(app: App, offered: UsersAnswer) -> None:
    """A box that finds users as they are typed, and a button that makes one up."""
    words, user = app.words, visitor.user_id()
    known = {str(summary.user_id): summary.ratings for summary in offered.users}

    def name(option: str) -> str:
        return _name(words, option, known.get(option))

    def chosen() -> None:
        typed = str(st.session_state[key] or "").strip()
        if typed:
            visitor.choose_user(typed)

    # The key has the user, so that a user chosen elsewhere is what the box shows.
    key = f"choose-user-{user}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            words("user"),
            list(dict.fromkeys([user, *known])),
            format_func=name,
            key=key,
            on_change=chosen,
            accept_new_options=True,
            placeholder=words("user.type"),
            help=words("user.help"),
        )
        st.button(
            words("user.new"),
            icon=":material/person_add:",
            on_click=visitor.new_user,
            width="content",
        )


def _name(words: Words, user: str, ratings: int | None) -> str:
    if ratings is not None:
        return f"{user} · {words.count('ratings', ratings)}"
    return words("user.you", user=user) if visitor.is_new_user(user) else user
