"""What every model family promises. A new one is registered, gets an entry in ANSWERS, and passes.

`test_fourth_family.py` holds what sets that lack a family promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fourth_family import POPULARITY, fourth_family

from events import event_columns
from fake_sets import release
from reelstream.catalog import Catalog, Film
from reelstream.engines.interface import FitContext, FitParameters
from reelstream.engines.local import fit_models
from reelstream.errors import NothingToLearnError
from reelstream.features.user_profiles import GenreShares
from reelstream.models import registry
from reelstream.models.bundle import ModelBundle
from reelstream.models.choice.live import LiveChoice
from reelstream.models.family import Family, FamilyInput
from reelstream.models.like.model import Posterior
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale
from reelstream.storage.release_store import ReleaseStore

N_USERS, N_ITEMS = 300, 80
MAX_BYTES, MAX_ITEM_BYTES, MAX_USER_BYTES = 64_000, 20_000, 1_000
GENRES = ("Action", "Comedy", "Drama", "Horror")
CATALOG = Catalog(
    Film(item, f"Film {item}", 1990, (GENRES[item % len(GENRES)],)) for item in range(N_ITEMS)
)
CONTEXT = FitContext(
    catalog=CATALOG,
    scale=RatingScale(),
    parameters=FitParameters(n_factors=2, sweeps=6, burn_in=2, n_draws=2),
    has_gate=False,
)
FAMILIES = [*registry.FAMILIES, POPULARITY]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def histories(n_users: int = N_USERS) -> Histories:
    """Users who rate one of four genres most, and higher: enough held out to weigh the likes."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(n_users), N_ITEMS // 2)
    item = np.concatenate(
        [rng.choice(N_ITEMS, N_ITEMS // 2, replace=False) for _ in range(n_users)]
    )
    loved = user % len(GENRES) == item % len(GENRES)
    rating = np.clip(np.round(rng.normal(np.where(loved, 4.5, 3), 0.7)), 1, 5)
    return Histories.of(event_columns(user, item, rating, np.arange(len(user)) * 3600))


@dataclass(frozen=True)
class World:
    """What was fitted, on which ratings."""

    histories: Histories
    models: ModelBundle


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with fourth_family():
        yield


@pytest.fixture(scope="module")
def world(_registered: None) -> World:
    return World(histories(), fit_models(histories(), CONTEXT))


def fit_again(family: Family, world: World, previous: ModelBundle | None = None) -> Any:
    """The family's model, fitted once more; the rating model by the whole fit that it begins."""
    if family.fit is None:
        return fit_models(world.histories, CONTEXT, previous)[family.name]
    return family.fit(input_of(world.models.without(family.name), world.histories, previous))


def input_of(
    models: ModelBundle, learned: Histories, previous: ModelBundle | None = None
) -> FamilyInput:
    return FamilyInput(
        histories=learned,
        catalog=CATALOG,
        scale=RatingScale(),
        models=models,
        previous=previous,
        seed=CONTEXT.parameters.seed,
        has_gate=CONTEXT.has_gate,
    )


def saved(model: Any, folder: Path) -> dict[str, bytes]:
    """Name -> content of each file of the model."""
    folder.mkdir()
    model.save(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def likes(model: Any) -> list[float]:
    n = 3
    posterior = Posterior(
        mean=np.full(n, 3.5),
        variance=np.full(n, 0.8),
        above=np.full(n, 0.4),
        user_ratings=np.arange(n),
        user_likes=np.zeros(n, np.int64),
        like_offset=np.zeros(n),
        width_offset=np.zeros(n),
    )
    return list(model.probability(posterior, np.array([0, 1, 10**12])))


def segments(model: Any) -> tuple[Any, list[int]]:
    known = histories(8)
    shares = GenreShares(CATALOG, model.genres)
    return model.segments, model.segments_of(known.ratings, known.starts, shares).tolist()


def choices(model: Any) -> list[list[float]]:
    live = LiveChoice(model, CATALOG)
    nobody, one = EventColumns.empty(), event_columns([1, 1], [0, 4], [4, 5], [0, 60])
    return [live.score(history, 120).choice.tolist() for history in (nobody, one)]


ANSWERS: dict[str, Callable[[Any], object]] = {
    "rating": lambda model: (model.mean, model.item_ids.tolist(), model.draws.means.tolist()),
    "like": likes,
    "segment": segments,
    "choice": choices,
    "popularity": lambda model: model.most_popular(5),
}
"""Family -> what its model answers to some fixed queries."""


@each_family
def test_a_saved_model_answers_alike_and_is_saved_alike(
    family: Family, world: World, tmp_path: Path
) -> None:
    """Nothing that an answer needs is lost on disk, and only arrays and JSON are there."""
    model = world.models[family.name]
    files = saved(model, tmp_path / "first")
    assert {Path(name).suffix for name in files} <= {".npy", ".json"}
    loaded = family.load(tmp_path / "first")
    assert ANSWERS[family.name](loaded) == ANSWERS[family.name](model)
    assert saved(loaded, tmp_path / "second") == files


@each_family
def test_arrays_hold_no_objects(family: Family, world: World, tmp_path: Path) -> None:
    """Pickle would run what somebody put into the file."""
    saved(world.models[family.name], tmp_path / "model")
    for path in (tmp_path / "model").glob("*.npy"):
        assert not np.load(path, allow_pickle=False).dtype.hasobject


@each_family
def test_the_same_ratings_and_seed_give_the_same_bytes(
    family: Family, world: World, tmp_path: Path
) -> None:
    """A set can be made again."""
    again = fit_again(family, world)
    assert saved(again, tmp_path / "again") == saved(world.models[family.name], tmp_path / "first")


@each_family
def test_nobody_rated(family: Family, world: World, tmp_path: Path) -> None:
    """Families that cannot say anything of nobody refuse; the others give a model that answers."""
    nobody = World(Histories.of(EventColumns.empty()), world.models)
    if family.name in ("rating", "segment"):
        with pytest.raises(NothingToLearnError):
            fit_again(family, nobody)
        return
    model = fit_again(family, nobody)
    saved(model, tmp_path / "model")
    assert ANSWERS[family.name](family.load(tmp_path / "model")) == ANSWERS[family.name](model)


@each_family
def test_one_user(family: Family, tmp_path: Path) -> None:
    """The first user of a service is enough for a set."""
    one = World(histories(1), fit_models(histories(1), CONTEXT))
    model = one.models[family.name]
    files = saved(model, tmp_path / "model")
    assert ANSWERS[family.name](family.load(tmp_path / "model")) == ANSWERS[family.name](model)
    assert b"NaN" not in files["model.json"]
    for path in (tmp_path / "model").glob("*.npy"):
        assert np.isfinite(np.load(path)).all(), path.name


@each_family
def test_size_on_disk(family: Family, world: World, tmp_path: Path) -> None:
    """A model grows with items and users, not with ratings."""
    size = sum(map(len, saved(world.models[family.name], tmp_path / "model").values()))
    assert size <= MAX_BYTES + N_ITEMS * MAX_ITEM_BYTES + N_USERS * MAX_USER_BYTES


@each_family
def test_a_fit_needs_no_model_of_its_own_in_the_set_before(family: Family, world: World) -> None:
    """A family that is new begins without a predecessor, as in the very first set."""
    first = fit_again(family, world)
    lacking = fit_again(family, world, previous=world.models.without(family.name))
    assert ANSWERS[family.name](lacking) == ANSWERS[family.name](first)


@each_family
def test_a_fit_leaves_the_set_before_as_it_is(family: Family, world: World) -> None:
    """Whatever a family takes from the model in service, it leaves it as it is."""
    before = ANSWERS[family.name](world.models[family.name])
    fit_again(family, world, previous=world.models)
    assert ANSWERS[family.name](world.models[family.name]) == before


@each_family
def test_the_store_knows_the_folder_by_its_name(
    family: Family, world: World, tmp_path: Path
) -> None:
    """Pruning and recovery find the folders of every family."""
    store = ReleaseStore.in_folder(tmp_path)
    write = {family.public_name: world.models[family.name].save}
    for number in (1, 2):
        store.publish(release(number), write)
    stray = tmp_path / f"{family.public_name}_model_set_3"
    stray.mkdir()
    store.recover()
    assert store.prune(keep=1) == [1]
    assert [path.name for path in tmp_path.glob("*_model_set_*")] == [
        f"{family.public_name}_model_set_2"
    ]


def test_names_are_used_once() -> None:
    """Two families cannot share a name or a folder."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert len({family.public_name for family in FAMILIES}) == len(FAMILIES)


def test_families_are_fitted_in_their_order(world: World) -> None:
    """Each sees the models before it, and what is fitted already stays."""
    bundle = registry.fit_families(
        input_of(ModelBundle(rating=world.models.rating), world.histories)
    )
    assert list(bundle) == [family.name for family in registry.FAMILIES]
    assert bundle.rating is world.models.rating


def test_a_bundle_is_saved_and_loaded_whole(world: World, tmp_path: Path) -> None:
    """One folder a family, by its public name; a family without a folder is left out."""
    registry.save_bundle(world.models, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {each.public_name for each in FAMILIES}
    assert list(registry.load_saved_bundle(tmp_path)) == [each.name for each in FAMILIES]
    other = replace(POPULARITY, name="other", public_name="other")
    registry.FAMILIES.append(other)
    try:
        assert "other" not in registry.load_saved_bundle(tmp_path)
    finally:
        registry.FAMILIES.remove(other)
