"""How a film's mean rating moved in time."""

from __future__ import annotations

from datetime import UTC, datetime

import altair as alt
import polars as pl

from reelstream.contract import AudienceAnswer
from reelstream.ui.charts.frame import show_chart
from reelstream.ui.words import Words

_HEIGHT = 190


def show_film_history(words: Words, answer: AudienceAnswer) -> None:
    """A dot for each span of time, beside the mean of all; nothing while there is only one."""
    periods = answer.periods
    if len(periods) < 2:
        return
    show_chart(
        words,
        _chart(words, answer),
        title=words("history.title"),
        units=words("history.units"),
        table={
            words("history.from"): [words.day(period.start) for period in periods],
            words("history.ratings"): [words.number(period.ratings) for period in periods],
            words("audience.mean"): [f"{words.decimal(period.mean)} ★" for period in periods],
        },
        alt_text=words("history.title"),
    )


def _chart(words: Words, answer: AudienceAnswer) -> alt.LayerChart:
    y = alt.Y(
        "mean:Q",
        title=words("audience.mean"),
        scale=alt.Scale(zero=False, padding=12),
        axis=alt.Axis(tickCount=4, format=".1f"),
    )
    base = alt.Chart(_dots(words, answer)).encode(
        alt.X("at:T", title=None, axis=alt.Axis(grid=False, tickCount=6)),
        y,
        tooltip=[
            alt.Tooltip("from:N", title=words("history.from")),
            alt.Tooltip("mean:Q", title=words("audience.mean"), format=".2f"),
            alt.Tooltip("ratings:Q", title=words("history.ratings"), format=","),
        ],
    )
    mean = alt.Chart(pl.DataFrame({"mean": [answer.mean]})).mark_rule(
        strokeDash=[5, 4], color="#8a9592"
    )
    size = alt.Size("ratings:Q", scale=alt.Scale(type="sqrt", range=[30, 220]), legend=None)
    layers = [
        mean.encode(y),
        base.mark_line(strokeWidth=1.5, opacity=0.6),
        base.mark_point(filled=True, opacity=1).encode(size),
    ]
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)


def _dots(words: Words, answer: AudienceAnswer) -> pl.DataFrame:
    """A row for each span, in the middle of it."""
    middles = [(period.start + period.end) / 2 for period in answer.periods]
    return pl.DataFrame(
        {
            "at": [datetime.fromtimestamp(at, UTC).replace(tzinfo=None) for at in middles],
            "from": [words.day(period.start) for period in answer.periods],
            "mean": [period.mean for period in answer.periods],
            "ratings": [period.ratings for period in answer.periods],
        },
        schema_overrides={"at": pl.Datetime("ms")},
    )
