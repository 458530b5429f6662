"""Who rates a film, and how."""

from __future__ import annotations

import altair as alt
import polars as pl

from reelstream.contract import AudienceAnswer
from reelstream.ui.charts.frame import show_chart, show_table
from reelstream.ui.formatting import plain
from reelstream.ui.states import show_empty
from reelstream.ui.words import Words

_HEIGHT = 190


def show_audience(words: Words, answer: AudienceAnswer) -> None:
    """How often each rating was given, and what each segment makes of the film."""
    if not answer.ratings or answer.mean is None:
        show_empty(words("audience.none"))
        return
    mean = words.decimal(answer.mean)
    show_chart(
        words,
        _chart(words, answer),
        title=words("audience.title"),
        units=words("audience.units", ratings=words.count("ratings", answer.ratings), mean=mean),
        table={
            words("rating"): [words.rating(float(rating)) for rating in answer.distribution],
            words("audience.users"): [words.number(n) for n in answer.distribution.values()],
        },
        alt_text=words("audience.units", ratings=words.number(answer.ratings), mean=mean),
    )
    show_table(
        {
            words("segment"): [f"{each.number} · {plain(each.label)}" for each in answer.segments],
            words("audience.users"): [words.number(each.users) for each in answer.segments],
            words("audience.mean"): [f"{words.decimal(each.mean)} ★" for each in answer.segments],
            words("audience.liked"): [words.percent(each.liked) for each in answer.segments],
        }
    )


def _chart(words: Words, answer: AudienceAnswer) -> alt.Chart:
    frame = pl.DataFrame(
        {
            "rating": [float(rating) for rating in answer.distribution],
            "users": list(answer.distribution.values()),
        }
    )
    chart: alt.Chart = (
        alt.Chart(frame)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            alt.X("rating:O", title=words("rating"), axis=alt.Axis(labelAngle=0, format=".1~f")),
            alt.Y(
                "users:Q", title=words("audience.users"), axis=alt.Axis(tickCount=4, format="~s")
            ),
            tooltip=[
                alt.Tooltip("rating:O", title=words("rating")),
                alt.Tooltip("users:Q", title=words("audience.users"), format=","),
            ],
        )
        .properties(height=_HEIGHT)
    )
    return chart
