"""A family is added by the guide of docs/development.md, while sets without it are in service."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from fourth_family import fourth_family
from popularity import PopularityModel

from mean_engine import CATALOG, TrainingWorld, close_batch
from reelstream.errors import DamagedError, MissingFamilyError
from reelstream.files import encode_json
from reelstream.models import registry
from reelstream.ratings.columns import EventColumns
from reelstream.training.rebuild import rebuild

ROOT = Path(__file__).parents[2]
ENOUGH = 16_000
"""Ratings of a batch that gives the gate more than 200."""


@pytest.fixture
def world(tmp_path: Path) -> TrainingWorld:
    """Set 1 was trained before the fourth family was added; set 2 is about to be trained with
    it.
    """
    world = TrainingWorld(tmp_path)
    close_batch(world.batches, ENOUGH)
    world.trainer.run_once()
    close_batch(world.batches, ENOUGH)
    return world


def test_the_next_set_has_the_family(world: TrainingWorld) -> None:
    """It is fitted, published with its files and checksums, and loaded by its type."""
    with fourth_family():
        (release,) = world.trainer.run_once()
        _, loaded = world.registry.load_current(CATALOG)
    assert (release.number, release.champion, release.gate.verdict) == (2, 1, "accepted")
    folder = world.root / "models" / "popularity_model_set_2"
    assert {path.name for path in folder.iterdir()} == {
        "model.json",
        "item_ids.npy",
        "counts.npy",
    }
    assert release.folders["popularity"] == folder.name
    assert f"{folder.name}/counts.npy" in release.checksums
    counts = np.bincount(ratings_of(world).item_id)
    best = loaded.models.of_type(PopularityModel).most_popular(3)
    assert [counts[item] for item in best] == sorted(counts)[::-1][:3]


def ratings_of(world: TrainingWorld) -> EventColumns:
    current = world.histories.current()
    assert current is not None
    return current[0].ratings


def test_a_set_from_before_answers_all_else(world: TrainingWorld) -> None:
    """It serves, and says why it cannot answer for the new family."""
    with fourth_family():
        release, loaded = world.registry.load_current(CATALOG)
        assert "popularity" not in release.folders
        assert world.registry.verify() == []
        state = loaded.fold_in(ratings_of(world)[:20])
        assert np.isfinite(loaded.predict(state, loaded.rating.item_ids[:3], 2 * 10**9).mean).all()
        with pytest.raises(MissingFamilyError, match="trained before that family was added"):
            loaded.models.of_type(PopularityModel)


@pytest.mark.slow
def test_sets_from_before_and_after_are_made_again_alike(world: TrainingWorld) -> None:
    """A rebuild leaves out the families that a release lacks."""
    with fourth_family():
        world.trainer.run_once()
        for number in (1, 2):
            different = rebuild(number, world.stores, world.engine, CATALOG, world.root)
            assert different == []


@pytest.mark.slow
def test_a_set_with_a_family_that_was_removed_serves(world: TrainingWorld) -> None:
    """An older version of the code reads what it knows, and prunes all."""
    with fourth_family():
        world.trainer.run_once()
    release, loaded = world.registry.load_current(CATALOG)
    assert release.number == 2
    assert set(loaded.models) == {"rating", "like", "segment", "choice"}
    world.registry.activate(1)
    close_batch(world.batches, ENOUGH)
    world.trainer.run_once()
    assert world.registry.prune(keep=1) == [2]
    assert not list((world.root / "models").glob("popularity_*"))


@pytest.mark.parametrize(
    "family", [each for each in registry.FAMILIES if each.since_first_set], ids=lambda it: it.name
)
def test_a_release_that_lacks_a_founding_family_is_damaged(
    world: TrainingWorld, family: registry.Family
) -> None:
    """No set was ever published without these: their absence is damage, not age."""
    path = world.root / "models" / "release_1.json"
    release = world.registry.release(1)
    del release.folders[family.public_name]
    path.write_bytes(encode_json(release))
    with pytest.raises(DamagedError, match=f"names no {family.public_name} folder"):
        world.registry.load(1, CATALOG)


def test_the_family_is_the_one_of_the_guide() -> None:
    """Whoever copies the guide's code gets what these tests test."""
    guide = (ROOT / "docs" / "development.md").read_text()
    section = guide.split("## Add a model family\n")[1].split("\n## ")[0]
    module, entry = re.findall(r"^ *```python\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    here = Path(__file__).parent
    assert without_margin(module) in (here / "popularity.py").read_text()
    assert without_margin(entry) in (here / "fourth_family.py").read_text()


def without_margin(code: str) -> str:
    """As the code stands in a module."""
    margin = len(code) - len(code.lstrip(" "))
    return re.sub(rf"^ {{{margin}}}", "", code, flags=re.MULTILINE)
