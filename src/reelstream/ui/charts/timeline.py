"""The stream on one time line: how fast ratings arrive, and when batches and sets came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import altair as alt
import polars as pl

from reelstream.contract import ModelSetAnswer
from reelstream.ui.charts.frame import bottom_legend, show_chart
from reelstream.ui.states import show_empty
from reelstream.ui.stream_samples import Sample
from reelstream.ui.words import Words

WINDOW_SECONDS = 600
# The chart begins with the first sample, but is at least so wide.
_MIN_WINDOW_SECONDS = 120
_TABLE_ROWS = 12
_KINDS = ("batch", "accepted", "refused", "service")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something that happened at one time."""

    at: float
    kind: str
    """One of _KINDS."""
    label: str


def marks_of(words: Words, samples: Sequence[Sample], sets: Sequence[ModelSetAnswer]) -> list[Mark]:
    """Sets when they were made, and what happened between two samples: batches closed, sets put
    into service.
    """
    marks = []
    for each in sets:
        kind = "refused" if each.gate.verdict == "refused" else "accepted"
        text = words(f"timeline.{kind}", number=each.number)
        marks.append(Mark(at=each.created_at, kind=kind, label=text))
    for before, after in pairwise(samples):
        if after.batches > before.batches:
            text = words("timeline.batch", number=after.batches)
            marks.append(Mark(at=after.at, kind="batch", label=text))
        if after.serving != before.serving and after.serving is not None:
            text = words("timeline.service", number=after.serving)
            marks.append(Mark(at=after.at, kind="service", label=text))
    earliest = samples[-1].at - WINDOW_SECONDS if samples else 0
    return sorted((mark for mark in marks if mark.at >= earliest), key=lambda mark: mark.at)


def show_timeline(words: Words, samples: Sequence[Sample], sets: Sequence[ModelSetAnswer]) -> None:
    """Ratings a second as an area, with marks above it; the last ten minutes."""
    marks = marks_of(words, samples, sets)
    speeds = _speeds(samples)
    if not speeds:
        show_empty(words("timeline.soon"))
        return
    newest = speeds[-1][1]
    show_chart(
        words,
        timeline_chart(words, speeds, marks, now=samples[-1].at),
        title=words("timeline.title"),
        units=words("timeline.units"),
        table={
            words("time"): [words.day_and_time(mark.at) for mark in marks[-_TABLE_ROWS:]],
            words("timeline.what"): [mark.label for mark in marks[-_TABLE_ROWS:]],
        }
        if marks
        else {words("time"): [words("timeline.nothing")]},
        alt_text=words("timeline.alt", speed=words.number(newest), marks=len(marks)),
    )


def timeline_chart(
    words: Words, speeds: Sequence[tuple[float, float]], marks: Sequence[Mark], *, now: float
) -> alt.LayerChart:
    """The chart alone. speeds: time and ratings a second."""
    earliest = min([at for at, _ in speeds], default=now)
    start = max(now - WINDOW_SECONDS, min(earliest, now - _MIN_WINDOW_SECONDS))
    marks = [mark for mark in marks if mark.at >= start]
    # A stream that stands still has no highest speed, and an axis needs a length.
    highest = max([speed for _, speed in speeds], default=1.0) or 1.0
    x = alt.X(
        "at:T",
        title=words("time.utc"),
        scale=alt.Scale(domain=[_utc(start), _utc(now)], type="utc"),
        axis=alt.Axis(format="%H:%M", values=_whole_minutes(start, now), grid=False),
    )
    y = alt.Y(
        "speed:Q",
        title=words("timeline.speed"),
        # Above the area there is a line for each kind of mark.
        scale=alt.Scale(domain=[0, 1.3 * highest], nice=False),
        axis=alt.Axis(tickCount=4, format="~s"),
    )
    area = (
        alt.Chart(
            pl.DataFrame(
                {"at": [_time(at) for at, _ in speeds], "speed": [speed for _, speed in speeds]},
                schema={"at": pl.Datetime("ms"), "speed": pl.Float64},
            )
        )
        .mark_area(line=True, fillOpacity=0.2, interpolate="step-after")
        .encode(x, y)
    )
    return alt.LayerChart(layer=[area, *_mark_layers(words, marks, x, highest)]).properties(
        height=240
    )


def _whole_minutes(start: float, end: float) -> list[dict[str, Any]]:
    """Ticks on minutes, as their labels have no seconds: about six of them."""
    seconds = 60 * max(1, round((end - start) / 360))
    return [_utc(at) for at in range(-int(-start // seconds) * seconds, int(end) + 1, seconds)]


def _mark_layers(words: Words, marks: Sequence[Mark], x: alt.X, highest: float) -> list[alt.Chart]:
    if not marks:
        # An empty layer would be a picture without a name, for those who do not see it.
        return []
    names = [words(f"timeline.kind.{kind}") for kind in _KINDS]
    points = alt.Chart(
        pl.DataFrame(
            {
                "at": [_time(mark.at) for mark in marks],
                "kind": [words(f"timeline.kind.{mark.kind}") for mark in marks],
                "label": [mark.label for mark in marks],
                "speed": [(1.05 + 0.07 * _KINDS.index(mark.kind)) * highest for mark in marks],
            },
            schema={
                "at": pl.Datetime("ms"),
                "kind": pl.String,
                "label": pl.String,
                "speed": pl.Float64,
            },
        )
    )
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=names), title=None)
    color = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=names),
        legend=bottom_legend(),
    )
    return [
        points.mark_point(size=110, filled=True, opacity=1).encode(
            x,
            alt.Y("speed:Q"),
            color,
            shape,
            tooltip=[
                alt.Tooltip("label:N", title=words("timeline.what")),
                alt.Tooltip("at:T", title=words("time"), format="%H:%M:%S"),
            ],
        )
    ]


def _speeds(samples: Sequence[Sample]) -> list[tuple[float, float]]:
    return [
        # A log that was made anew ends earlier than it did.
        (before.at, max(after.end - before.end, 0) / (after.at - before.at))
        for before, after in pairwise(samples)
    ]


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


def _utc(at: float) -> dict[str, Any]:
    """A time as Vega-Lite has it in a scale's domain."""
    then = _time(at)
    return {
        "year": then.year,
        "month": then.month,
        "date": then.day,
        "hours": then.hour,
        "minutes": then.minute,
        "seconds": then.second,
        "utc": True,
    }
