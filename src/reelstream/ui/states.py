"""The states in which there is nothing to show, each with its own look: the API is away, no model
set serves yet, the API refuses, an answer is older than the last click, a list is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from reelstream.errors import ApiError
from reelstream.ui.formatting import plain, sentence
from reelstream.ui.words import Words

# No model set is in service, or the log takes no writes.
UNAVAILABLE = 503


@contextmanager
def api_errors_shown(words: Words) -> Iterator[None]:
    """Show an ApiError where the part of the page that it prevents would be: a sentence, never a
    traceback.
    """
    try:
        yield
    except ApiError as error:
        show_api_error(words, error)


def show_api_error(words: Words, error: ApiError) -> None:
    """The API is away, not ready, or refuses: what happened, and what happens next."""
    if error.status is None:
        show_api_away(words, str(error))
    elif error.status == UNAVAILABLE:
        st.info(
            f"**{words('state.waiting')}** {sentence(str(error))}", icon=":material/hourglass_top:"
        )
    else:
        st.warning(f"**{words('state.refused')}** {sentence(str(error))}", icon=":material/block:")


def show_api_away(words: Words, why: str) -> None:
    """Nothing answers where the API should be."""
    st.error(
        f"**{words('state.away')}** {plain(why)} {words('state.away.next')}",
        icon=":material/cloud_off:",
    )


def show_waiting(words: Words, reasons: list[str]) -> None:
    """No model set serves yet: why, and the shape of what will be here."""
    st.info(
        f"**{words('state.waiting')}** "
        + " ".join([*map(sentence, reasons), words("state.waiting.next")]),
        icon=":material/hourglass_top:",
    )
    # About the height of a first part: the page jumps less when a set arrives.
    st.skeleton(height=180)


def show_empty(text: str) -> None:
    """There is nothing here, and that is no failure."""
    st.caption(f":material/inbox: {text}")
