"""The page's pictures."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from reelstream.contract import Basis, BecauseAnswer, RatingPart
from reelstream.ui.charts.because import steps_of
from reelstream.ui.charts.record import WAYS
from reelstream.ui.charts.timeline import timeline_chart
from reelstream.ui.words import Words


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_every_way_to_predict_has_a_colour_of_its_own(kind: str) -> None:
    """Where colours run out the chart begins again with the first."""
    theme = tomllib.loads(files("reelstream.ui").joinpath("theme.toml").read_text())["theme"][kind]
    assert len(set(theme["chartCategoricalColors"])) >= len(WAYS)


@pytest.mark.parametrize(
    ("first", "now", "minutes"), [(90.0, 120.0, [0, 1, 2]), (30.0, 630.0, [2, 4, 6, 8, 10])]
)
def test_the_time_line_has_its_ticks_on_minutes(
    first: float, now: float, minutes: list[int]
) -> None:
    """About six of them, however long the stream was watched, and two minutes at least."""
    chart = timeline_chart(Words("en"), [(first, 1.0)], [], now=now).to_dict()
    ticks = chart["layer"][0]["encoding"]["x"]["axis"]["values"]
    assert [(tick["minutes"], tick["seconds"]) for tick in ticks] == [
        (minute, 0) for minute in minutes
    ]


def test_every_part_of_a_prediction_has_a_bar_of_its_own() -> None:
    """Also of two films of one name; each begins where the one before it ends, up to the rating."""
    parts = [
        RatingPart(item_id=number, title="Psycho", rating=4, timestamp=0, part=0.2, without=-0.1)
        for number in (1, 2)
    ]
    answer = BecauseAnswer(
        model_set=1,
        basis=Basis(ratings=2, live=0, known_user=True),
        user_id=1,
        item_id=3,
        title="Alien",
        prediction=3.9,
        everyone=3.5,
        features=0.0,
        quality=0.0,
        ratings=parts,
        others=0.0,
        beyond_scale=0.0,
    )
    steps = steps_of(Words("en"), answer)
    assert len({step.name for step in steps}) == len(steps) == 4
    assert [step.start for step in steps[1:-1]] == [step.end for step in steps[:-2]]
    assert steps[-1].end == pytest.approx(steps[-2].end)
