"""How the page shows an API error: as a sentence, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from reelstream.errors import ApiError
from reelstream.ui.wording import plain


@contextmanager
def api_errors_shown() -> Iterator[None]:
    """Show an ApiError where the part of the page that it prevents would be."""
    try:
        yield
    except ApiError as error:
        st.info(plain(str(error)))
