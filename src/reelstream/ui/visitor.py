"""One visitor: language, user and film, which survive a change of page and stand in the address, so
that a link opens what its sender saw.
"""

from __future__ import annotations

import secrets
import time

import streamlit as st

from reelstream.contract import Id
from reelstream.ui.texts import LANGUAGES
from reelstream.ui.words import Words, language_of

# New users' ids are of nine digits and begin with 9: above those of every public data set.
_FIRST_NEW_USER = 900_000_000


def words() -> Words:
    """The texts in the language of the address, else of the switch, else of the browser."""
    language = _recall("lang")
    return Words(language if language in LANGUAGES else language_of(st.context.locale))


def choose_language(language: str) -> None:
    """Show the page in another language from now on."""
    _remember("lang", language)


def user_id() -> str:
    """The user whom the page is about: a new one until another is chosen."""
    if not _recall("user"):
        new_user()
    return _recall("user") or ""


def choose_user(chosen: Id) -> None:
    """The page is about this user from now on."""
    _remember("user", str(chosen))


def new_user() -> None:
    """Become a user whom nobody knows."""
    # At random: two visitors must not become one user.
    choose_user(_FIRST_NEW_USER + secrets.randbelow(99_999_999))


def is_new_user(user: str) -> bool:
    """Whether the page made this user up."""
    return user.isdecimal() and len(user) == len(str(_FIRST_NEW_USER)) and user[0] == "9"


def film_id() -> str | None:
    """The film in the address, or the one chosen last."""
    return _recall("film") or None


def choose_film(chosen: Id) -> None:
    """The page is about this film from now on."""
    _remember("film", str(chosen))


def wrote(token: str) -> None:
    """Remember what was written: later reads answer from a state that has seen it."""
    st.session_state.token, st.session_state.wrote_at = token, time.time()


def token() -> str | None:
    """The token of this visitor's last write."""
    written: str | None = st.session_state.get("token")
    return written


def seconds_since_write() -> float | None:
    """How long ago this visitor wrote something; None if never."""
    at: float | None = st.session_state.get("wrote_at")
    return None if at is None else time.time() - at


def note_behind(behind: bool) -> None:
    """Whether the last answer had not yet seen what this visitor wrote."""
    st.session_state.is_behind = behind


def is_behind() -> bool:
    """See `note_behind`."""
    return bool(st.session_state.get("is_behind"))


def forget_token() -> None:
    """The log that the token was for is another now."""
    st.session_state.pop("token", None)


def _recall(name: str) -> str | None:
    """From the address, which wins, or from the session; the address then shows it."""
    # A change of page clears the address, and the session outlives it.
    given: str | None = st.query_params.get(name) or st.session_state.get(f"chosen_{name}")
    if given is not None:
        _remember(name, given)
    return given


def _remember(name: str, value: str) -> None:
    st.session_state[f"chosen_{name}"] = value
    # Written only when it changes: each writing sends the whole address to the browser.
    if st.query_params.get(name) != value:
        st.query_params[name] = value
