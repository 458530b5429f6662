"""Between prediction and model sets: a table of the segments."""

from __future__ import annotations

import streamlit as st

from reelstream.client import Client
from reelstream.contract import SegmentAnswer
from reelstream.ui.api_errors import api_errors_shown
from reelstream.ui.wording import film_name, plain

_EXAMPLES = 3


@st.fragment(run_every=5.0)
def show_segments(client: Client) -> None:
    """A table, a row a segment."""
    with api_errors_shown():
        segments = client.segments().segments
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


def _genres(segment: SegmentAnswer) -> str:
    return ", ".join(f"{plain(each.genre)} ×{each.lift:.2f}" for each in segment.genres)
