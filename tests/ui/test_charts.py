"""The page's pictures."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from reelstream.ui.charts.record import WAYS


@pytest.mark.parametrize("kind", ["light", "dark"])
def test_every_way_to_predict_has_a_colour_of_its_own(kind: str) -> None:
    """Where colours run out the chart begins again with the first."""
    theme = tomllib.loads(files("reelstream.ui").joinpath("theme.toml").read_text())["theme"][kind]
    assert len(set(theme["chartCategoricalColors"])) >= len(WAYS)
