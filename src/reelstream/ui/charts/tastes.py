"""What each segment rates more than all users do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from reelstream.contract import SegmentAnswer
from reelstream.ui.charts.frame import show_chart
from reelstream.ui.formatting import plain
from reelstream.ui.words import Words

_BAR_PIXELS = 22


def show_tastes(words: Words, segments: Sequence[SegmentAnswer]) -> None:
    """Bars from the average on, to the right where a segment rates a genre more often."""
    rows: list[dict[str, Any]] = [
        {
            "segment": f"{each.number} · {each.label}",
            "row": f"{each.number} · {lift.genre}",
            "genre": lift.genre,
            "lift": lift.lift,
            "average": 1.0,
        }
        for each in segments
        for lift in each.genres
    ]
    show_chart(
        words,
        _chart(words, rows),
        title=words("segments.tastes"),
        units=words("segments.units"),
        table={
            words("segment"): [plain(row["segment"]) for row in rows],
            words("genre"): [plain(row["genre"]) for row in rows],
            words("segments.lift"): [words.decimal(row["lift"]) for row in rows],
        },
        alt_text=words("segments.tastes"),
    )


def _chart(words: Words, rows: Sequence[dict[str, Any]]) -> alt.Chart:
    # With a schema, because a set may have no segment with a genre of its own.
    schema = {
        "segment": pl.String,
        "row": pl.String,
        "genre": pl.String,
        "lift": pl.Float64,
        "average": pl.Float64,
    }
    lift = words("segments.lift")
    chart: alt.Chart = (
        alt.Chart(pl.DataFrame(rows, schema=schema))
        .mark_bar(cornerRadius=2)
        .encode(
            alt.X(
                "average:Q",
                title=lift,
                scale=alt.Scale(zero=False, nice=True),
                axis=alt.Axis(format=".2f", tickCount=5),
            ),
            alt.X2("lift:Q"),
            alt.Y(
                "row:N", sort=None, title=None, axis=alt.Axis(labelLimit=200, labelOverlap=False)
            ),
            alt.Color("segment:N", legend=None),
            tooltip=[
                alt.Tooltip("segment:N", title=words("segment")),
                alt.Tooltip("genre:N", title=words("genre")),
                alt.Tooltip("lift:Q", title=lift, format=".2f"),
            ],
        )
        .properties(height=_BAR_PIXELS * max(len(rows), 1) + 40)
    )
    return chart
