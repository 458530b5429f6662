"""The page's pictures, as Altair charts; colours come from the theme, so that light and dark both
fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from reelstream.contract import BatchScores, Regression

# Field of a record's line -> the way to predict, as a person reads it.
WAYS = {
    "live": "With live learning",
    "live_users": "Only users learn live",
    "static": "Without live learning",
    "biases": "User and movie bias",
    "global_mean": "Global mean",
}


def prediction_chart(answer: Regression) -> alt.LayerChart:
    """How likely each rating is, as bars; below them the interval, and the prediction as a point.

    answer: with its distribution.
    """
    highest = max((answer.distribution or {}).values())
    # The interval has its place below the bars, at a height that no probability has.
    chart = alt.LayerChart(
        layer=[_distribution_bars(answer, highest), *_interval_and_point(answer, -0.07 * highest)]
    )
    return chart.properties(height=230)


def _distribution_bars(answer: Regression, highest: float) -> alt.Chart:
    """A bar for each rating of the scale: strong inside the interval, pale outside."""
    distribution = answer.distribution or {}
    ratings = [float(rating) for rating in distribution]
    half = (ratings[1] - ratings[0]) / 2
    whole_ratings = [rating for rating in ratings if rating == round(rating)]
    # Not `nice`: Vega would round the ends to values that the scale does not have.
    x_scale = alt.Scale(domain=[ratings[0] - half, ratings[-1] + half], nice=False)
    y_scale = alt.Scale(domain=[-0.14 * highest, 1.05 * highest])
    opacity = alt.Scale(domain=[True, False], range=[0.45, 0.18])
    axis = alt.Axis(values=whole_ratings, format="d", grid=False)
    chart: alt.Chart = (
        alt.Chart(_bars(answer.interval, distribution, half))
        .mark_rect()
        .encode(
            alt.X("from:Q", title=None, axis=axis, scale=x_scale),
            alt.X2("to:Q"),
            alt.Y("probability:Q", axis=None, scale=y_scale),
            alt.Y2(datum=0),
            alt.Opacity("inside:N", scale=opacity, legend=None),
            tooltip=[
                alt.Tooltip("rating:Q", title="Rating", format=".1f"),
                alt.Tooltip("probability:Q", title="Probability", format=".0%"),
            ],
        )
    )
    return chart


def _bars(
    interval: tuple[float, float], distribution: Mapping[str, float], half: float
) -> pl.DataFrame:
    """A row for each rating of the scale. half: half of the scale's step."""
    ratings = [float(rating) for rating in distribution]
    low, high = interval
    return pl.DataFrame(
        {
            "rating": ratings,
            "from": [rating - 0.85 * half for rating in ratings],
            "to": [rating + 0.85 * half for rating in ratings],
            "probability": list(distribution.values()),
            # A bar is inside when any of its step is: the interval's ends lie between ratings.
            "inside": [low - half < rating < high + half for rating in ratings],
        }
    )


def _interval_and_point(answer: Regression, y: float) -> list[alt.Chart]:
    """The interval as a bar and the prediction as a point, at the height `y`."""
    low, high = answer.interval
    base = alt.Chart(pl.DataFrame({"rating": [answer.prediction], "low": [low], "high": [high]}))
    shared = {
        "y": alt.datum(y),
        "tooltip": [
            alt.Tooltip("rating:Q", title="Predicted", format=".2f"),
            alt.Tooltip("low:Q", title="From", format=".2f"),
            alt.Tooltip("high:Q", title="To", format=".2f"),
        ],
    }
    return [
        base.mark_bar(size=5, cornerRadius=2.5).encode(alt.X("low:Q"), alt.X2("high:Q"), **shared),
        base.mark_point(size=170, filled=True, opacity=1).encode(alt.X("rating:Q"), **shared),
    ]


def record_chart(record: Sequence[BatchScores], score: str) -> alt.LayerChart:
    """One score of the prequential record by batch: a line for each way to predict that has such a
    score.

    `score` is a field of `Scores`; baselines have no log loss.
    """
    rows = [
        {"at": entry.batch, "way": name, "score": value}
        for entry in record
        for way, name in reversed(WAYS.items())  # what is drawn last lies on top
        if (value := getattr(getattr(entry, way), score, None)) is not None
    ]
    return _lines(rows, "Batch", alt.X("at:O", title="Batch", axis=alt.Axis(labelAngle=0)))


def window_chart(record: Sequence[BatchScores], score: str) -> alt.LayerChart:
    """The same in the moving window, against the ratings of all these batches, one after the
    other.
    """
    rows: list[dict[str, Any]] = []
    before = 0.0
    for entry in record:
        rows += [
            {"at": before + window.ratings, "way": name, "score": value}
            for window in entry.windows
            for way, name in reversed(WAYS.items())
            if (value := getattr(getattr(window, way, None), score, None)) is not None
        ]
        before += entry.global_mean.n
    axis = alt.Axis(format="~s", grid=False)
    return _lines(
        rows, "Ratings", alt.X("at:Q", title="Ratings", axis=axis, scale=alt.Scale(zero=False))
    )


def _lines(rows: Sequence[Mapping[str, Any]], along: str, x: alt.X) -> alt.LayerChart:
    """A line for each way to predict; `along` names what lies to the right."""
    shown = {row["way"] for row in rows}
    # In the order of WAYS, so that a way keeps its colour and its place in the legend.
    ways = [name for name in WAYS.values() if name in shown]
    base = alt.Chart(
        # With a schema, because before the first set there are no rows to infer it from.
        pl.DataFrame(rows, schema={"at": pl.Float64, "way": pl.String, "score": pl.Float64})
    ).encode(
        x,
        alt.Y(
            "score:Q",
            title=None,
            # Scores differ in the second decimal: an axis from zero would draw one flat line.
            scale=alt.Scale(zero=False, padding=8),
            axis=alt.Axis(format=".2f", tickCount=5),
        ),
        alt.Color(
            "way:N",
            title=None,
            scale=alt.Scale(domain=ways),
            legend=alt.Legend(orient="bottom", columns=2),
        ),
        tooltip=[
            alt.Tooltip("way:N", title="Predicted"),
            alt.Tooltip("at:Q", title=along, format=","),
            alt.Tooltip("score:Q", title="Score", format=".4f"),
        ],
    )
    layers = [base.mark_line(strokeWidth=2), base.mark_point(size=60, filled=True, opacity=1)]
    return alt.LayerChart(layer=layers).properties(height=280)
