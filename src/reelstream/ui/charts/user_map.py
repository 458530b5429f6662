"""Users as dots: who lies near one another has similar habits and tastes."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from reelstream.contract import Id, MapAnswer
from reelstream.ui.charts.frame import bottom_legend, show_chart
from reelstream.ui.words import Words

_HEIGHT = 420
_TABLE_ROWS = 15


def show_user_map(words: Words, answer: MapAnswer, names: Mapping[int, str], own: str) -> None:
    """The map, coloured by segment. names: of the segments, by number. own: the visitor's user,
    whose dot is marked if it is among them.
    """
    users = answer.users[:_TABLE_ROWS]
    show_chart(
        words,
        user_map(words, answer, names, own),
        title=words("map.title"),
        units=words("map.units", n=len(answer.users), total=words.number(answer.total)),
        table={
            words("user"): [str(user.user_id) for user in users],
            words("segment"): [names[user.segment] for user in users],
            words("map.ratings"): [words.number(user.ratings) for user in users],
            "x": [words.decimal(user.x) for user in users],
            "y": [words.decimal(user.y) for user in users],
        },
        alt_text=words("map.alt", n=len(answer.users), segments=len(names)),
    )


def user_map(words: Words, answer: MapAnswer, names: Mapping[int, str], own: Id) -> alt.LayerChart:
    """The chart alone."""
    segments = [names[number] for number in sorted(names)]
    frame = pl.DataFrame(
        {
            "user": [str(user.user_id) for user in answer.users],
            "segment": [names[user.segment] for user in answer.users],
            "ratings": [user.ratings for user in answer.users],
            "x": [user.x for user in answer.users],
            "y": [user.y for user in answer.users],
        }
    )
    axis = alt.Axis(tickCount=5, format=".0f")
    base = alt.Chart(frame).encode(
        alt.X("x:Q", title=words("map.x"), axis=axis),
        alt.Y("y:Q", title=words("map.y"), axis=axis),
        tooltip=[
            alt.Tooltip("user:N", title=words("user")),
            alt.Tooltip("segment:N", title=words("segment")),
            alt.Tooltip("ratings:Q", title=words("map.ratings"), format=","),
        ],
    )
    dots = base.mark_circle(opacity=0.75).encode(
        alt.Color(
            "segment:N", title=None, scale=alt.Scale(domain=segments), legend=bottom_legend()
        ),
        alt.Size("ratings:Q", scale=alt.Scale(type="sqrt", range=[25, 260]), legend=None),
    )
    layers = [dots]
    if str(own) in frame["user"]:
        marked = base.transform_filter(alt.datum.user == str(own))
        layers.append(marked.mark_point(size=420, shape="diamond", filled=False, strokeWidth=2.5))
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)
