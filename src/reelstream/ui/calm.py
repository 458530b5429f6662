"""Trouble as the page shows it: a sentence, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from reelstream.errors import ApiError
from reelstream.ui.wording import plain


@contextmanager
def calmly() -> Iterator[None]:
    """Show an ApiError in place of what it kept from being drawn."""
    try:
        yield
    except ApiError as error:
        st.info(plain(str(error)))
