"""The page's two pictures, as Altair charts; colours come from the theme, so that light and dark both fit."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from reelstream.ui.answers import BatchScores, Regression, Scale

_CURVE_POINTS = 201

_WAYS = {
    "live": "With live learning",
    "live_users": "Only users learn live",
    "static": "Without live learning",
    "biases": "User and movie bias",
    "global_mean": "Global mean",
}
"""Field of a record's line -> the way to predict, as a person reads it."""


def prediction_chart(answer: Regression, scale: Scale) -> alt.LayerChart:
    """The predicted rating on the scale: its interval as a bar, and the bell curve that the answer implies."""
    ratings = np.linspace(scale.lowest, scale.highest, _CURVE_POINTS)
    density = np.exp(-0.5 * ((ratings - answer.prediction) / answer.sd) ** 2)
    low, high = (float(np.clip(end, scale.lowest, scale.highest)) for end in answer.interval)
    curve = pl.DataFrame({"rating": ratings, "density": density})
    inside = curve.filter(pl.col("rating").is_between(low, high))
    point = pl.DataFrame({"rating": [answer.prediction], "low": [low], "high": [high]})

    axis = alt.Axis(values=list(np.arange(np.ceil(scale.lowest), scale.highest + 1e-9)), format="d", grid=False)
    x = alt.X("rating:Q", title=None, axis=axis, scale=alt.Scale(domain=[scale.lowest, scale.highest], nice=False))
    y = alt.Y("density:Q", axis=None, scale=alt.Scale(domain=[-0.14, 1.05]))
    tooltip = [
        alt.Tooltip("rating:Q", title="Predicted", format=".2f"),
        alt.Tooltip("low:Q", title="From", format=".2f"),
        alt.Tooltip("high:Q", title="To", format=".2f"),
    ]
    below = alt.datum(-0.07)
    layers = [
        alt.Chart(curve).mark_area(opacity=0.12).encode(x, y),
        alt.Chart(inside).mark_area(opacity=0.28).encode(x, y),
        alt.Chart(curve).mark_line(strokeWidth=1.5).encode(x, y),
        alt.Chart(point)
        .mark_bar(size=5, cornerRadius=2.5)
        .encode(alt.X("low:Q"), alt.X2("high:Q"), y=below, tooltip=tooltip),
        alt.Chart(point).mark_point(size=170, filled=True, opacity=1).encode(x, y=below, tooltip=tooltip),
    ]
    return alt.LayerChart(layer=layers).properties(height=230)


def record_chart(record: Sequence[BatchScores], score: str) -> alt.LayerChart:
    """One score of the prequential record by batch: a line for each way to predict that has such a score.

    `score` is a field of `Scores`; baselines have no log loss.
    """
    rows = [
        {"batch": entry.batch, "way": name, "score": value}
        for entry in record
        for way, name in reversed(_WAYS.items())  # what is drawn last lies on top
        if (value := getattr(getattr(entry, way), score, None)) is not None
    ]
    shown = {row["way"] for row in rows}
    ways = [name for name in _WAYS.values() if name in shown]
    base = alt.Chart(pl.DataFrame(rows, schema={"batch": pl.Int64, "way": pl.String, "score": pl.Float64})).encode(
        alt.X("batch:O", title="Batch", axis=alt.Axis(labelAngle=0)),
        alt.Y("score:Q", title=None, scale=alt.Scale(zero=False, padding=8), axis=alt.Axis(format=".2f", tickCount=5)),
        alt.Color("way:N", title=None, scale=alt.Scale(domain=ways), legend=alt.Legend(orient="bottom", columns=2)),
        tooltip=[
            alt.Tooltip("way:N", title="Predicted"),
            alt.Tooltip("batch:O", title="Batch"),
            alt.Tooltip("score:Q", title="Score", format=".4f"),
        ],
    )
    layers = [base.mark_line(strokeWidth=2), base.mark_point(size=60, filled=True, opacity=1)]
    return alt.LayerChart(layer=layers).properties(height=280)
