"""*Segments*: what kinds of users there are."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from reelstream.contract import SegmentAnswer
from reelstream.ui.app import App
from reelstream.ui.charts.frame import show_chart
from reelstream.ui.formatting import film_name, plain
from reelstream.ui.states import api_errors_shown
from reelstream.ui.words import Words

_EXAMPLES = 3


def show(app: App) -> None:
    """Sizes and tastes as a picture, and a card for each segment."""
    words = app.words
    st.title(words("segments"), anchor=False)
    st.caption(words("segments.about"))
    with api_errors_shown(words):
        segments = app.client.segments().segments
        _show_tastes(words, segments)
        for start in range(0, len(segments), 2):
            for column, segment in zip(st.columns(2), segments[start : start + 2], strict=False):
                with column:
                    _show_segment(words, segment)


def _show_segment(words: Words, segment: SegmentAnswer) -> None:
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{segment.number} · {plain(segment.label)}**")
        st.caption(
            f"{words.count('users', segment.size)} · "
            + words(
                "segments.habits",
                ratings=words.number(segment.ratings),
                mean=words.decimal(segment.mean),
                spread=words.decimal(segment.spread),
            )
        )
        films = ", ".join(film_name(film) for film in segment.films[:_EXAMPLES])
        st.markdown(f":material/movie: {plain(films)}")


def _show_tastes(words: Words, segments: list[SegmentAnswer]) -> None:
    rows: list[dict[str, Any]] = [
        {"segment": f"{each.number} · {each.label}", "genre": lift.genre, "lift": lift.lift}
        for each in segments
        for lift in each.genres
    ]
    chart = (
        alt.Chart(
            pl.DataFrame(
                rows, schema={"segment": pl.String, "genre": pl.String, "lift": pl.Float64}
            )
        )
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            alt.X("lift:Q", title=words("segments.lift"), axis=alt.Axis(format=".1f")),
            alt.Y("genre:N", title=None, sort="-x"),
            alt.Row(
                "segment:N",
                title=None,
                header=alt.Header(labelAngle=0, labelAlign="left", labelOrient="top"),
            ),
            tooltip=[
                alt.Tooltip("segment:N", title=words("segment")),
                alt.Tooltip("genre:N", title=words("genre")),
                alt.Tooltip("lift:Q", title=words("segments.lift"), format=".2f"),
            ],
        )
        .resolve_scale(y="independent")
        .properties(height={"step": 18})
    )
    show_chart(
        words,
        chart,
        title=words("segments.tastes"),
        units=words("segments.units"),
        table={
            words("segment"): [plain(row["segment"]) for row in rows],
            words("genre"): [plain(row["genre"]) for row in rows],
            words("segments.lift"): [words.decimal(row["lift"]) for row in rows],
        },
        alt_text=words("segments.tastes"),
    )
