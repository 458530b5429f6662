"""The stamp on every answer: what it knows, and how fresh that is."""

from __future__ import annotations

import streamlit as st

from reelstream.contract import Basis
from reelstream.ui import visitor
from reelstream.ui.words import Words


def show_stamp(words: Words, basis: Basis, model_set: int) -> None:
    """How many of the user's ratings the answer has seen, and which set answers."""
    if not basis.known_user:
        parts = [words("stamp.unknown")]
    else:
        parts = [words("stamp.knows", ratings=words.count("ratings", basis.ratings))]
        if basis.live:
            parts.append(words("stamp.live", n=words.number(basis.live)))
    written = visitor.seconds_since_write()
    if written is not None and basis.known_user:
        parts.append(words("stamp.last", age=words.age(written)))
    parts.append(words("stamp.set", number=model_set))
    text = " · ".join(parts)
    if visitor.is_behind():
        st.warning(words("state.stale"), icon=":material/update:")
    st.caption(f":material/schedule: {text}")
