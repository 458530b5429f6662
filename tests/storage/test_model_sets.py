"""A model set exists whole or not at all, and one that is damaged does not serve."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from events import event_columns
from fake_sets import release
from mean_engine import CATALOG, SCALE, mean_models
from reelstream.errors import (
    AlreadyPublishedError,
    DamagedError,
    NoModelSetError,
    SettingError,
    StorageError,
)
from reelstream.models.like.model import LikeModel
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.ratings.histories import Histories
from reelstream.storage.model_sets import ModelSetStore
from reelstream.storage.release_store import sha256_of


@pytest.fixture
def registry(tmp_path: Path) -> ModelSetStore:
    return ModelSetStore.in_folder(tmp_path)


def publish(registry: ModelSetStore, *numbers: int, verdict: str = "accepted") -> None:
    rng = np.random.default_rng(0)
    ratings = event_columns(
        rng.integers(0, 20, 200), rng.integers(0, 30, 200), rng.integers(1, 6, 200), range(200)
    )
    history = Histories.of(ratings)
    models = mean_models(history.ratings, history.starts, CATALOG)
    for number in numbers:
        trained_on = TrainedOn({0: number * 10}, {})
        model_set = ModelSet(
            number=number, models=models, catalog=CATALOG, scale=SCALE, trained_on=trained_on
        )
        registry.publish_set(model_set, release(number, {0: number * 10}, verdict))


def in_service(registry: ModelSetStore) -> int | None:
    current = registry.current()
    return None if current is None else current.number


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_published_set_is_current_and_comes_back_the_same(
    registry: ModelSetStore, tmp_path: Path
) -> None:
    """Publishing makes three folders, a release with all checksums, and CURRENT."""
    assert in_service(registry) is None
    publish(registry, 1)
    assert names(tmp_path) == {
        "regression_model_set_1",
        "classification_model_set_1",
        "clustering_model_set_1",
        "release_1.json",
        "CURRENT",
    }
    published = registry.release(1)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*_model_set_1/*")}
    assert set(published.checksums) == files
    loaded, model_set = registry.load_current(CATALOG)
    assert loaded == published
    assert (model_set.number, model_set.scale, model_set.trained_on.trained_end_offsets) == (
        1,
        SCALE,
        {0: 10},
    )
    assert registry.verify() == []


def test_a_number_is_published_once(registry: ModelSetStore, tmp_path: Path) -> None:
    """Nothing that was published is ever replaced."""
    publish(registry, 1)
    before = (tmp_path / "release_1.json").read_bytes()
    with pytest.raises(AlreadyPublishedError):
        publish(registry, 1)
    assert (tmp_path / "release_1.json").read_bytes() == before
    assert registry.verify() == []


def test_a_refused_set_is_kept_and_not_served(registry: ModelSetStore) -> None:
    """The gate's word decides what becomes current."""
    publish(registry, 1)
    publish(registry, 2, verdict="refused")
    assert in_service(registry) == 1
    assert registry.load(2, CATALOG).number == 2
    assert [found.number for found in registry.releases()] == [1, 2]
    registry.recover()
    assert in_service(registry) == 1


def test_activate_pins_until_it_is_undone(registry: ModelSetStore) -> None:
    """A pinned set serves whatever comes; without the pin the newest does."""
    publish(registry, 1, 2)
    registry.activate(1)
    publish(registry, 3)
    assert (in_service(registry), registry.pinned()) == (1, 1)
    registry.activate(None)
    assert (in_service(registry), registry.pinned()) == (3, None)
    registry.activate(None)
    with pytest.raises(SettingError, match="no model set 9"):
        registry.activate(9)


@pytest.mark.parametrize("damage", ["missing", "changed", "half", "folder"])
def test_a_damaged_set_is_refused_by_name_and_the_one_before_serves(
    registry: ModelSetStore, tmp_path: Path, damage: str
) -> None:
    """Checksums find every change; what serves instead is the newest sound set that the gate let
    through.
    """
    publish(registry, 1, 2)
    publish(registry, 3, verdict="refused")
    publish(registry, 4)
    file = tmp_path / "regression_model_set_4/item_ids.npy"
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "changed":
        file.write_bytes(data[:-1] + b"\xff")
    elif damage == "half":
        file.write_bytes(data[: len(data) // 2])
    else:
        shutil.rmtree(file.parent)
    with pytest.raises(DamagedError, match="model set 4 is damaged"):
        registry.load(4, CATALOG)
    assert registry.load_current(CATALOG)[0].number == 2
    assert any("regression_model_set_4/item_ids.npy" in problem for problem in registry.verify())


@pytest.mark.parametrize("name", ["CURRENT", "release_2.json"])
def test_a_damaged_pointer_or_release_does_not_stop_service(
    registry: ModelSetStore, tmp_path: Path, name: str
) -> None:
    """What cannot be read is named by verify, and the newest sound set serves."""
    publish(registry, 1, 2)
    (tmp_path / name).write_text("{")
    assert registry.load_current(CATALOG)[0].number == (2 if name == "CURRENT" else 1)
    assert any(name in problem for problem in registry.verify())
    assert registry.newest_number() == 2


def test_a_release_that_names_no_folders_is_damaged(
    registry: ModelSetStore, tmp_path: Path
) -> None:
    """One that was edited by hand is refused by name, like any other damage."""
    publish(registry, 1, 2)
    path = tmp_path / "release_2.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "folders": {}}))
    with pytest.raises(DamagedError, match=r"release_2.json .* names no regression folder"):
        registry.load(2, CATALOG)
    assert registry.load_current(CATALOG)[0].number == 1
    assert any("release_2.json" in problem for problem in registry.verify())


def test_a_release_under_another_number_is_damaged(registry: ModelSetStore, tmp_path: Path) -> None:
    """A copy is not another set."""
    publish(registry, 1, 2)
    shutil.copy(tmp_path / "release_1.json", tmp_path / "release_3.json")
    assert [found.number for found in registry.all_releases()] == [1, 2]
    assert any("release_3.json holds release 1" in problem for problem in registry.verify())


def test_all_damaged(registry: ModelSetStore, tmp_path: Path) -> None:
    """Without any sound set there is nothing to serve, and the error says so."""
    with pytest.raises(NoModelSetError):
        registry.load_current(CATALOG)
    publish(registry, 1)
    (tmp_path / "clustering_model_set_1/model.json").write_text("{}")
    with pytest.raises(NoModelSetError):
        registry.load_current(CATALOG)


def test_pruning_spares_the_newest_the_current_and_the_pinned(
    registry: ModelSetStore, tmp_path: Path
) -> None:
    """Old sets go, with their folders; their releases stay as the record."""
    publish(registry, 1, 2, 3, 4)
    publish(registry, 5, 6, verdict="refused")
    registry.activate(2)
    assert registry.prune(keep=2) == [1, 3]
    assert [found.number for found in registry.releases()] == [2, 4, 5, 6]
    assert [found.number for found in registry.all_releases()] == [1, 2, 3, 4, 5, 6]
    assert not list(tmp_path.glob("*_model_set_1")) + list(tmp_path.glob("*_model_set_3"))
    assert registry.prune(keep=2) == []
    assert registry.verify() == []
    with pytest.raises(SettingError, match="pruned"):
        registry.activate(1)
    with pytest.raises(SettingError, match="pruned"):
        registry.load(1, CATALOG)


def test_a_set_that_is_pruned_meanwhile_is_no_problem(
    registry: ModelSetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its files go before they are looked for, or between look and read; `CURRENT` may move
    on as well.
    """
    publish(registry, 1, 2)

    def prune_and_hash(path: Path) -> str:
        monkeypatch.undo()
        publish(registry, 3)
        registry.prune(keep=1)
        return sha256_of(path)

    monkeypatch.setattr("reelstream.storage.release_store.sha256_of", prune_and_hash)
    assert registry.verify() == []
    assert [found.number for found in registry.releases()] == [3]


def test_recovery_beside_a_prune(
    registry: ModelSetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both may remove a pruned set's folders, and a note that is being written is not swept
    away.
    """
    publish(registry, 1, 2)
    note = tmp_path / ".tmp-1-2-pruned_1.json"
    note.write_text("{")
    (tmp_path / "regression_model_set_3").mkdir()
    remove = shutil.rmtree

    def come_second(path: Path) -> None:
        remove(path)
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", come_second)
    registry.recover()
    assert note.exists()
    assert not (tmp_path / "regression_model_set_3").exists()


def test_recovery_removes_what_no_release_names(registry: ModelSetStore, tmp_path: Path) -> None:
    """Half-published folders, temporary names and the folders of pruned sets go; sound sets
    stay.
    """
    publish(registry, 1, 2)
    (tmp_path / "regression_model_set_3").mkdir()
    (tmp_path / ".tmp-1-2-clustering_model_set_3").mkdir()
    shutil.copytree(tmp_path / "clustering_model_set_1", tmp_path / "saved")
    registry.activate(None)
    registry.prune(keep=1)
    (tmp_path / "saved").rename(tmp_path / "clustering_model_set_1")
    (tmp_path / "CURRENT").write_bytes(json.dumps({"number": 1, "format": 1}).encode())
    registry.recover()
    assert {name for name in names(tmp_path) if "model_set" in name} == {
        f"{family}_model_set_2" for family in ("regression", "classification", "clustering")
    }
    assert not list(tmp_path.glob(".tmp-*"))
    assert in_service(registry) == 2, "CURRENT catches up with the releases"


def test_a_release_survives_json(registry: ModelSetStore) -> None:
    """All that a release says comes back, with partitions as numbers."""
    publish(registry, 1)
    read = registry.release(1)
    assert read.trained_end_offsets == {0: 10}
    assert msgspec.structs.replace(read, folders={}, checksums={}) == msgspec.structs.replace(
        release(1, {0: 10}), created_at=read.created_at
    )


def test_recovery_leaves_what_others_put_beside_the_sets(
    registry: ModelSetStore, tmp_path: Path
) -> None:
    """A person's copy of a set, a link or a file is none of its folders, and must not stop it
    either.
    """
    publish(registry, 1)
    copy = shutil.copytree(
        tmp_path / "regression_model_set_1", tmp_path / "regression_model_set_1.backup"
    )
    (tmp_path / "clustering_model_set_8").symlink_to(copy)
    (tmp_path / "clustering_model_set_9").write_text("notes")
    before = names(tmp_path)
    registry.recover()
    assert names(tmp_path) == before


def test_a_pinned_set_that_was_pruned_meanwhile_is_passed_over(
    registry: ModelSetStore, tmp_path: Path
) -> None:
    """Pinning takes no lock: a set may be pruned in the same moment. Then the one before it
    serves.
    """
    publish(registry, 1, 2, 3)
    registry.activate(2)
    shutil.copy(tmp_path / "PINNED", tmp_path / "kept")
    registry.activate(None)
    registry.activate(1)
    assert registry.prune(1) == [2]
    shutil.move(tmp_path / "kept", tmp_path / "PINNED")
    current, _ = registry.load_current(CATALOG)
    assert current.number == 1


def test_recovery_makes_a_damaged_pointer_anew(registry: ModelSetStore, tmp_path: Path) -> None:
    """The releases say what CURRENT should hold."""
    publish(registry, 1, 2)
    (tmp_path / "CURRENT").write_bytes(b"12")
    registry.recover()
    assert in_service(registry) == 2


def test_full_disk_while_a_set_is_saved_is_said(
    registry: ModelSetStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the set is there afterwards."""

    def fill(*_: object) -> None:
        raise OSError("175104 requested and 17376 written")

    monkeypatch.setattr(LikeModel, "save", fill)
    with pytest.raises(StorageError, match="free some space"):
        publish(registry, 1)
    registry.recover()
    assert names(tmp_path) == set()
