"""Why a rating is expected: bars that add up to it."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import polars as pl

from reelstream.contract import BecauseAnswer, Id, RatingPart
from reelstream.ui.charts.frame import Clicks, show_chart
from reelstream.ui.formatting import film_name
from reelstream.ui.words import Words

_BAR_PIXELS = 24
# Parts smaller than this, in stars, are not worth a bar of their own.
_NEGLIGIBLE = 0.005
# Selection parameter: the film of the bar that was clicked.
CLICKED = "rated"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One bar: what is added, and where that begins and ends."""

    name: str
    part: float
    start: float
    end: float
    without: float | None = None
    """How far the prediction would move if this rating were taken back; None: it is none."""
    item_id: Id | None = None
    """Of the film that was rated."""


def show_because(words: Words, answer: BecauseAnswer, clicks: Clicks) -> None:
    """The parts as bars, each beginning where the one above it ends; clicks: on the user's
    ratings.
    """
    steps = steps_of(words, answer)
    show_chart(
        words,
        because_chart(words, steps),
        title=words("because.title"),
        units=words("because.units"),
        table={
            words("because.what"): [step.name for step in steps],
            words("because.adds"): [words.signed(step.part) for step in steps],
            words("because.without"): [
                "" if step.without is None else words.signed(step.without) for step in steps
            ],
        },
        alt_text=words("because.alt", prediction=words.decimal(answer.prediction)),
        clicks=clicks,
    )


def steps_of(words: Words, answer: BecauseAnswer) -> list[Step]:
    """All parts in order; the last bar is the prediction itself."""
    parts: list[tuple[str, float, RatingPart | None]] = [
        (words("because.everyone"), answer.everyone, None),
        (words("because.features"), answer.features, None),
        (words("because.quality"), answer.quality, None),
        *((rating_name(words, rated), rated.part, rated) for rated in answer.ratings),
        (words("because.others"), answer.others, None),
        (words("because.beyond"), answer.beyond_scale, None),
    ]
    steps, at = list[Step](), 0.0
    for name, part, rated in parts:
        if abs(part) >= _NEGLIGIBLE:
            # Two films may have one name; two bars may not, or they would lie on one another: a
            # space of no width tells them apart.
            same = sum(step.name.rstrip("\u200b") == name for step in steps)
            bar = name + "\u200b" * same
            steps.append(
                Step(
                    name=bar,
                    part=part,
                    start=at,
                    end=at + part,
                    without=rated.without if rated else None,
                    item_id=rated.item_id if rated else None,
                )
            )
        at += part
    total = answer.prediction
    return [*steps, Step(name=words("because.total"), part=total, start=0.0, end=total)]


def rating_name(words: Words, rated: RatingPart) -> str:
    """A rating of the user, as a reason."""
    return words("because.rating", film=film_name(rated), rating=words.rating(rated.rating))


def because_chart(words: Words, steps: list[Step]) -> alt.Chart:
    """The chart alone."""
    low = _start_of_axis(steps)
    kinds = [words(f"because.kind.{kind}") for kind in ("whole", "up", "down")]
    chart: alt.Chart = (
        alt.Chart(_bars(steps, kinds, low))
        .mark_bar(cornerRadius=2)
        .encode(
            alt.X(
                "start:Q",
                title=words("because.axis"),
                scale=alt.Scale(zero=False, domainMin=low),
                axis=alt.Axis(format=".1f", tickCount=6),
            ),
            alt.X2("end:Q"),
            alt.Y(
                "name:N", sort=None, title=None, axis=alt.Axis(labelLimit=200, labelOverlap=False)
            ),
            alt.Color("kind:N", title=None, scale=alt.Scale(domain=kinds), legend=None),
            tooltip=[
                alt.Tooltip("name:N", title=words("because.what")),
                alt.Tooltip("part:Q", title=words("because.adds"), format="+.2f"),
            ],
        )
        .add_params(alt.selection_point(name=CLICKED, fields=["item"]))
        .properties(height=_BAR_PIXELS * len(steps) + 40)
    )
    return chart


def _start_of_axis(steps: list[Step]) -> float:
    # The first and the last bar are the longest; the others would be slivers on an axis from zero.
    inner = [
        end for step in steps for end in (step.start, step.end) if step.start or step is steps[0]
    ]
    return max(0.0, min([edge for edge in inner if edge > 0], default=0.0) - 0.4)


def _bars(steps: list[Step], kinds: list[str], low: float) -> pl.DataFrame:
    """A row for each bar. kinds: names of the whole, of what raises and of what lowers it."""
    last = len(steps) - 1
    return pl.DataFrame(
        {
            "name": [step.name for step in steps],
            "start": [max(step.start, low) for step in steps],
            "end": [step.end for step in steps],
            "part": [step.part for step in steps],
            "item": [None if step.item_id is None else str(step.item_id) for step in steps],
            "kind": [
                kinds[0] if row in (0, last) else kinds[1 if step.part > 0 else 2]
                for row, step in enumerate(steps)
            ],
        }
    )
