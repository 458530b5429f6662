"""Whether intervals held what they promised, from set to set."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import polars as pl

from reelstream.contract import ModelSetAnswer
from reelstream.ui.charts.frame import bottom_legend, show_chart
from reelstream.ui.words import Words

# Field of the scores -> the share that should lie inside.
PROMISED = {"coverage_1sd": 0.683, "coverage_2sd": 0.954}
_HEIGHT = 260


def show_coverage(words: Words, sets: Sequence[ModelSetAnswer]) -> None:
    """The share of held-out ratings inside one and two standard deviations, beside the promise."""
    judged = [each for each in reversed(sets) if each.scores.coverage_1sd is not None]
    if not judged:
        return
    show_chart(
        words,
        coverage_chart(words, judged),
        title=words("coverage.title"),
        units=words("coverage.units"),
        table={
            words("models.set"): [str(each.number) for each in judged],
            **{
                words(f"coverage.{field}"): [
                    _percent(words, getattr(each.scores, field)) for each in judged
                ]
                for field in PROMISED
            },
            words("score.ece"): [words.score(each.scores.ece) for each in judged],
        },
        alt_text=words("coverage.title"),
    )


def coverage_chart(words: Words, sets: Sequence[ModelSetAnswer]) -> alt.LayerChart:
    """The chart alone. sets: by number."""
    rows = [
        {"set": each.number, "kind": words(f"coverage.{field}"), "share": share}
        for each in sets
        for field in PROMISED
        if (share := getattr(each.scores, field)) is not None
    ]
    y = alt.Y(
        "share:Q",
        title=words("coverage.share"),
        scale=alt.Scale(domain=[0.5, 1.0]),
        axis=alt.Axis(format=".0%", tickCount=6),
    )
    measured = alt.Chart(pl.DataFrame(rows)).encode(
        alt.X("set:O", title=words("models.set"), axis=alt.Axis(labelAngle=0)),
        y,
        alt.Color("kind:N", title=None, legend=bottom_legend()),
        tooltip=[
            alt.Tooltip("set:O", title=words("models.set")),
            alt.Tooltip("kind:N", title=words("coverage.inside")),
            alt.Tooltip("share:Q", title=words("coverage.share"), format=".1%"),
        ],
    )
    promised = alt.Chart(pl.DataFrame({"share": list(PROMISED.values())})).mark_rule(
        strokeDash=[5, 4], color="#8a9592"
    )
    layers = [
        promised.encode(y),
        measured.mark_line(strokeWidth=2),
        measured.mark_point(size=60, filled=True, opacity=1),
    ]
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)


def _percent(words: Words, share: float | None) -> str:
    return "–" if share is None else f"{words.decimal(100 * share, 1)} %"
