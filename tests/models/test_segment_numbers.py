"""At least 95 % of users keep their segment number when 1 % of the data is added: real data and
simulated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelstream.datasets import detect
from reelstream.features.user_profiles import GenreShares
from reelstream.models.segment.fit import fit_segments
from reelstream.models.segment.model import SegmentModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories

pytestmark = pytest.mark.xdist_group("segment numbers")
"""Reading the data takes most of the time: once is enough."""

STEPS = 12
"""Sets in a chain; further ones are the benchmark's."""


class World:
    """A data set, of which sets are fitted."""

    def __init__(self, folder: Path) -> None:
        dataset = detect(folder)
        self.ratings = dataset.read_ratings().by_time()
        catalog = dataset.read_catalog().catalog
        self.shares = GenreShares(catalog, catalog.genres)

    def fit(
        self, ratings: EventColumns, previous: SegmentModel | None
    ) -> tuple[SegmentModel, dict[int, int]]:
        """The model of these ratings, and every user's number."""
        history = Histories.of(ratings)
        model = fit_segments(history.ratings, history.starts, self.shares, previous, seed=0)
        numbers = model.segments_of(history.ratings, history.starts, self.shares)
        return model, dict(zip(history.user_ids.tolist(), numbers.tolist(), strict=True))


def kept(before: dict[int, int], after: dict[int, int]) -> float:
    return float(np.mean([after[user] == number for user, number in before.items()]))


@pytest.fixture(scope="module", params=["movielens", "movies_dataset", "simulated"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> World:
    if request.param != "simulated":
        return World(request.getfixturevalue(request.param))
    from reelstream.datasets import simulate  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("data") / "simulated"
    simulate(folder, users=400, items=2000, ratings=40_000, seed=5)
    return World(folder)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_the_newest_hundredth(world: World, share: float) -> None:
    """The last 1 % by time: mostly users who were not there before."""
    n = int(share * len(world.ratings))
    model, before = world.fit(world.ratings[:n], None)
    _, after = world.fit(world.ratings[: int(n * 1.01) + 1], model)
    assert kept(before, after) >= 0.95


@pytest.mark.parametrize("seed", [0, 1])
def test_a_random_hundredth(world: World, seed: int) -> None:
    """1 % of every user's ratings come late."""
    late = np.random.default_rng(seed).random(len(world.ratings)) < 0.01
    model, before = world.fit(world.ratings[~late], None)
    _, after = world.fit(world.ratings, model)
    assert kept(before, after) >= 0.95


def test_set_after_set(world: World) -> None:
    """Every set goes on from the one before it."""
    n = int(0.25 * len(world.ratings))
    model, before = world.fit(world.ratings[:n], None)
    for _ in range(STEPS):
        n = int(n * 1.01) + 1
        model, after = world.fit(world.ratings[:n], model)
        assert kept(before, after) >= 0.95
        before = after
