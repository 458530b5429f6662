"""Between the questions and the model sets: what each kind of user is."""

from __future__ import annotations

import streamlit as st

from reelstream.ui.answers import Segment
from reelstream.ui.calm import calmly
from reelstream.ui.client import ApiClient
from reelstream.ui.wording import film_name, plain

_EXAMPLES = 3


@st.fragment(run_every=5.0)
def show_segments(client: ApiClient) -> None:
    """A table, a row a segment."""
    with calmly():
        segments = client.segments()
        st.table(
            {
                "Segment": [f"{each.number} · {plain(each.label)}" for each in segments],
                "Users": [f"{each.size:,}" for each in segments],
                "Ratings": [f"{each.ratings:,}" for each in segments],
                "Rates": [f"{each.mean:.2f} ± {each.spread:.2f}" for each in segments],
                "More than others": [_genres(each) for each in segments],
                "Films": [
                    plain(", ".join(film_name(film) for film in each.films[:_EXAMPLES]))
                    for each in segments
                ],
            },
            border="horizontal",
            hide_index=True,
        )
        st.caption("Ratings: the median of its users. Rates: a user's mean rating and its spread.")


def _genres(segment: Segment) -> str:
    return ", ".join(f"{plain(each.genre)} ×{each.lift:.2f}" for each in segment.genres)
