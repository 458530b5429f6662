"""A user's taste: by how much each genre is liked better or worse, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from reelstream.contract import UserAnswer
from reelstream.contract.users import GenreLeaning
from reelstream.ui.charts.frame import show_chart
from reelstream.ui.formatting import plain
from reelstream.ui.words import Words

_ROW_PIXELS = 22
# Genres above and below; those between hardly tell anything.
_BEST, _WORST = 7, 3


def show_taste(words: Words, user: UserAnswer) -> None:
    """A dot for each genre, with a line over one standard deviation to either side."""
    taste = user.taste if len(user.taste) <= _BEST + _WORST else _ends(user.taste)
    if not taste:
        return
    show_chart(
        words,
        _chart(words, taste),
        title=words("taste.title"),
        units=words("taste.units"),
        table={
            words("genre"): [plain(each.genre) for each in taste],
            words("taste.stars"): [words.signed(each.stars) for each in taste],
            words("taste.sd"): [words.decimal(each.sd) for each in taste],
        },
        alt_text=words("taste.alt", best=taste[0].genre, worst=taste[-1].genre),
    )


def _ends(taste: Sequence[GenreLeaning]) -> list[GenreLeaning]:
    return [*taste[:_BEST], *taste[-_WORST:]]


def _chart(words: Words, taste: Sequence[GenreLeaning]) -> alt.LayerChart:
    frame = pl.DataFrame(
        {
            "genre": [each.genre for each in taste],
            "stars": [each.stars for each in taste],
            "low": [each.stars - each.sd for each in taste],
            "high": [each.stars + each.sd for each in taste],
        }
    )
    base = alt.Chart(frame).encode(
        alt.Y("genre:N", sort=None, title=None, axis=alt.Axis(labelOverlap=False)),
        tooltip=[
            alt.Tooltip("genre:N", title=words("genre")),
            alt.Tooltip("stars:Q", title=words("taste.stars"), format="+.2f"),
            alt.Tooltip("low:Q", title=words("from"), format="+.2f"),
            alt.Tooltip("high:Q", title=words("to"), format="+.2f"),
        ],
    )
    axis = alt.Axis(format="+.1f", tickCount=5)
    layers = [
        base.mark_rule(strokeWidth=2.5).encode(
            alt.X("low:Q", title=words("taste.stars"), axis=axis),
            alt.X2("high:Q"),
            color=alt.value("#8a9592"),
        ),
        base.mark_point(size=90, filled=True, opacity=1).encode(alt.X("stars:Q")),
    ]
    return alt.LayerChart(layer=layers).properties(height=_ROW_PIXELS * len(taste) + 50)
