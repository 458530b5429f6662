"""A user's ratings that were least expected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from reelstream.client import Client
from reelstream.contract import Surprise, SurprisesAnswer
from reelstream.ui.charts.frame import show_table
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.words import Words

_SURPRISES = 6


def surprises(user: str) -> Callable[[Client], SurprisesAnswer]:
    """The query for the table."""
    return lambda client: client.surprises(user, limit=_SURPRISES)


def show_surprises(words: Words, ratings: Sequence[Surprise]) -> None:
    """What was expected of each from the earlier ratings alone, and how far off that was."""
    if not ratings:
        return
    st.markdown(f"**{words('surprises.title')}**  \n:gray[:small[{words('surprises.about')}]]")
    show_table(
        {
            words("surprises.film"): [plain(film_name(rated)) for rated in ratings],
            words("surprises.given"): [f"{words.rating(rated.rating)} ★" for rated in ratings],
            words("surprises.expected"): [
                f"{words.decimal(rated.predicted, 1)} ± {words.decimal(rated.sd, 1)}"
                for rated in ratings
            ],
            words("surprises.off"): [words.signed(rated.surprise) for rated in ratings],
        }
    )
