"""How likely each rating is."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from reelstream.contract import Regression
from reelstream.ui.charts.frame import show_chart
from reelstream.ui.words import Words

_HEIGHT = 210


def show_prediction_chart(words: Words, answer: Regression) -> None:
    """The distribution as bars, below them the interval and the prediction as a point.

    answer: with its distribution.
    """
    distribution = answer.distribution or {}
    low, high = answer.interval
    show_chart(
        words,
        prediction_chart(words, answer),
        title=words("prediction.chart"),
        units=words("prediction.units"),
        table={
            words("rating"): [words.rating(float(rating)) for rating in distribution],
            words("probability"): [
                f"{words.decimal(100 * share, 1)} %" for share in distribution.values()
            ],
        },
        alt_text=words(
            "prediction.alt",
            prediction=words.decimal(answer.prediction),
            low=words.decimal(low, 1),
            high=words.decimal(high, 1),
        ),
    )


def prediction_chart(words: Words, answer: Regression) -> alt.LayerChart:
    """The chart alone."""
    highest = max((answer.distribution or {}).values())
    # The interval has its place below the bars, at a height that no probability has.
    y = -0.07 * highest
    layers = [_distribution_bars(words, answer, highest), *_interval_and_point(words, answer, y)]
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)


def _distribution_bars(words: Words, answer: Regression, highest: float) -> alt.Chart:
    """A bar for each rating of the scale: strong inside the interval, pale outside."""
    distribution = answer.distribution or {}
    ratings = [float(rating) for rating in distribution]
    half = (ratings[1] - ratings[0]) / 2
    whole_ratings = [rating for rating in ratings if rating == round(rating)]
    # Not `nice`: Vega would round the ends to values that the scale does not have.
    x_scale = alt.Scale(domain=[ratings[0] - half, ratings[-1] + half], nice=False)
    y_scale = alt.Scale(domain=[-0.14 * highest, 1.05 * highest])
    axis = alt.Axis(values=whole_ratings, format="d", grid=False)
    chart: alt.Chart = (
        alt.Chart(_bars(answer.interval, distribution, half))
        .mark_rect()
        .encode(
            alt.X("from:Q", title=words("rating"), axis=axis, scale=x_scale),
            alt.X2("to:Q"),
            alt.Y("probability:Q", axis=None, scale=y_scale),
            alt.Y2(datum=0),
            # A condition and no scale: Vega warns about an opacity scale of categories.
            opacity=alt.condition("datum.inside", alt.value(0.55), alt.value(0.22)),
            tooltip=[
                alt.Tooltip("rating:Q", title=words("rating"), format=".1f"),
                alt.Tooltip("probability:Q", title=words("probability"), format=".1%"),
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


def _interval_and_point(words: Words, answer: Regression, y: float) -> list[alt.Chart]:
    """The interval as a bar and the prediction as a point, at the height `y`."""
    low, high = answer.interval
    base = alt.Chart(pl.DataFrame({"rating": [answer.prediction], "low": [low], "high": [high]}))
    shared = {
        "y": alt.datum(y),
        "tooltip": [
            alt.Tooltip("rating:Q", title=words("predicted"), format=".2f"),
            alt.Tooltip("low:Q", title=words("from"), format=".2f"),
            alt.Tooltip("high:Q", title=words("to"), format=".2f"),
        ],
    }
    return [
        base.mark_bar(size=5, cornerRadius=2.5).encode(alt.X("low:Q"), alt.X2("high:Q"), **shared),
        base.mark_point(size=170, filled=True, opacity=1).encode(alt.X("rating:Q"), **shared),
    ]
