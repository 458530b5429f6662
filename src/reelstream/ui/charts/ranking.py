"""How good the lists of films were, batch by batch, beside what is popular."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from reelstream.contract import BatchRanking, ModelSetAnswer
from reelstream.ui.charts.frame import bottom_legend, show_chart
from reelstream.ui.words import Words

_HEIGHT = 260
_LISTS = {"lists": "ndcg_10", "popularity": "popularity_ndcg_10"}


def show_ranking(words: Words, sets: Sequence[ModelSetAnswer]) -> None:
    """NDCG of the best ten on each batch, before it was learned; nothing where it is not known."""
    # The sets come newest first.
    ranked = [
        (line.batch, line.ranking)
        for each in reversed(sets)
        for line in each.record
        if line.ranking
    ]
    if not ranked:
        return
    show_chart(
        words,
        _chart(words, ranked),
        title=words("ranking.title"),
        units=words("ranking.units"),
        table={
            words("batch"): [str(batch) for batch, _ in ranked],
            **{
                words(f"ranking.{name}"): [
                    words.score(getattr(ranking, field)) for _, ranking in ranked
                ]
                for name, field in _LISTS.items()
            },
            words("ranking.users"): [words.number(ranking.n_users) for _, ranking in ranked],
        },
        alt_text=words("ranking.title"),
    )


def _chart(words: Words, ranked: Sequence[tuple[int, BatchRanking]]) -> alt.LayerChart:
    rows = [
        {"batch": batch, "list": words(f"ranking.{name}"), "ndcg": getattr(ranking, field)}
        for batch, ranking in ranked
        for name, field in _LISTS.items()
    ]
    base = alt.Chart(pl.DataFrame(rows)).encode(
        alt.X("batch:O", title=words("batch"), axis=alt.Axis(labelAngle=0)),
        alt.Y("ndcg:Q", title=words("score.ndcg_10"), axis=alt.Axis(format=".2f", tickCount=5)),
        alt.Color(
            "list:N",
            title=None,
            sort=[words(f"ranking.{name}") for name in _LISTS],
            legend=bottom_legend(),
        ),
        tooltip=[
            alt.Tooltip("batch:O", title=words("batch")),
            alt.Tooltip("list:N", title=words("ranking.list")),
            alt.Tooltip("ndcg:Q", title=words("score.ndcg_10"), format=".3f"),
        ],
    )
    layers = [base.mark_line(strokeWidth=2), base.mark_point(size=60, filled=True, opacity=1)]
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)
