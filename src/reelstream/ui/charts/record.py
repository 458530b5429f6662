"""How good the answers were before each rating was learned, beside what learns nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from reelstream.contract import BatchScores
from reelstream.ui.charts.frame import Table, bottom_legend, show_chart
from reelstream.ui.words import Words

# Fields of a record's line: the ways to predict, in the order of their colours.
WAYS = ("live", "live_users", "static", "biases", "global_mean")
SCORES = ("rmse", "auc", "log_loss")
_HIGHER_IS_BETTER = "auc"
_ALONG = ("window", "batch")
_TABLE_ROWS = 12
# On a narrow screen the legend takes a third of it.
_HEIGHT = 380


def show_record(words: Words, record: Sequence[BatchScores]) -> None:
    """The record as lines, with a choice of the score and of what lies to the right."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # `required` excludes None, but Streamlit's types do not say so.
        score = _choose(words, "score", SCORES, persist="session") or SCORES[0]
        along = _choose(words, "along", _ALONG, persist="session") or _ALONG[0]
    rows = _window_rows(record, score) if along == "window" else _batch_rows(record, score)
    better = words("record.higher" if score == _HIGHER_IS_BETTER else "record.lower")
    show_chart(
        words,
        record_chart(words, rows, score=score, along=along),
        title=words("record.title"),
        units=f"{words(f'score.{score}.units')} · {better}",
        table=_table(words, record, score),
        alt_text=f"{words('record.title')}: {words(f'score.{score}')}",
    )


def _choose(words: Words, key: str, options: Sequence[str], persist: Any) -> str | None:
    return st.segmented_control(
        words(key),
        options,
        default=options[0],
        required=True,
        format_func=lambda each: words(f"{key}.{each}"),
        key=key,
        persist_state=persist,
    )


def _batch_rows(record: Sequence[BatchScores], score: str) -> list[dict[str, Any]]:
    """A point a batch for each way that has such a score; baselines have no log loss."""
    return [
        {"at": entry.batch, "way": way, "score": value}
        for entry in record
        for way in reversed(WAYS)  # what is drawn last lies on top
        if (value := getattr(getattr(entry, way), score, None)) is not None
    ]


def _window_rows(record: Sequence[BatchScores], score: str) -> list[dict[str, Any]]:
    """The moving window against the ratings of all these batches, one after the other. What has no
    window, as baselines and batches that are shorter than one, is level within its batch.
    """
    rows: list[dict[str, Any]] = []
    before = 0
    for entry in record:
        n = entry.global_mean.n
        for way in reversed(WAYS):  # what is drawn last lies on top
            moving = [
                {"at": before + window.ratings, "way": way, "score": value}
                for window in entry.windows
                if (value := getattr(getattr(window, way, None), score, None)) is not None
            ]
            level = getattr(getattr(entry, way), score, None)
            if not moving and level is not None:
                moving = [{"at": at, "way": way, "score": level} for at in (before, before + n)]
            rows += moving
        before += n
    return rows


def record_chart(
    words: Words, rows: Sequence[Mapping[str, Any]], *, score: str, along: str
) -> alt.LayerChart:
    """A line for each way to predict. rows: `at`, `way` and `score`."""
    if along == "batch":
        x = alt.X("at:O", title=words("batch"), axis=alt.Axis(labelAngle=0, format="d"))
    else:
        axis = alt.Axis(format="~s", grid=False, tickCount=8)
        x = alt.X("at:Q", title=words("record.ratings"), axis=axis, scale=alt.Scale(zero=False))
    shown = {row["way"] for row in rows}
    ways = [words(f"way.{way}") for way in WAYS if way in shown]
    named = [{**row, "way": words(f"way.{row['way']}")} for row in rows]
    base = alt.Chart(
        # With a schema, because before the first set there are no rows to infer it from.
        pl.DataFrame(named, schema={"at": pl.Float64, "way": pl.String, "score": pl.Float64})
    ).encode(
        x,
        alt.Y(
            "score:Q",
            title=words(f"score.{score}"),
            # Scores differ in the second decimal: an axis from zero would draw one flat line.
            scale=alt.Scale(zero=False, padding=8),
            axis=alt.Axis(format=".2f", tickCount=5),
        ),
        alt.Color(
            "way:N",
            title=None,
            # All ways, so that each keeps its colour; the legend has those that are drawn.
            scale=alt.Scale(domain=[words(f"way.{way}") for way in WAYS]),
            legend=bottom_legend(ways),
        ),
        tooltip=[
            alt.Tooltip("way:N", title=words("record.way")),
            alt.Tooltip("at:Q", title=words("batch" if along == "batch" else "record.ratings")),
            alt.Tooltip("score:Q", title=words(f"score.{score}"), format=".4f"),
        ],
    )
    layers = [base.mark_line(strokeWidth=2), base.mark_point(size=30, filled=True, opacity=1)]
    return alt.LayerChart(layer=layers).properties(height=_HEIGHT)


def _table(words: Words, record: Sequence[BatchScores], score: str) -> Table:
    """The newest batches, a column for each way to predict."""
    newest = list(reversed(record))[:_TABLE_ROWS]
    return {
        words("batch"): [str(entry.batch) for entry in newest],
        **{
            words(f"way.{way}"): [
                words.score(getattr(getattr(entry, way), score, None)) for entry in newest
            ]
            for way in WAYS
        },
    }
