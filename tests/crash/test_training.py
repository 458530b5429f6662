"""kill -9 at every step of trainer and registry: what is visible is whole, and the next trainer
finishes the work.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import steps

from mean_engine import CATALOG, TrainingWorld, close_batch
from reelstream.errors import NoModelSetError
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.effective import effective_ratings
from reelstream.storage.batch_erasure import erase_users

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("killed trainers")]

DRIVER = Path(__file__).parent / "training_driver.py"


FIRST_STEP_WITH_THE_SET = "file_linked@models/release_2.json"
"""The release exists from here on."""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each step a work folder whose trainer was killed there: one set was in service, a second
    was being made.
    """
    start = tmp_path_factory.mktemp("killed")
    world = TrainingWorld(start / "before", keep=1)
    close_batch(world.batches)
    world.trainer.run_once()
    close_batch(world.batches)
    roots = {step: start / str(number) for number, step in enumerate(steps.TRAINER)}
    for root in roots.values():
        shutil.copytree(world.root, root)
    kill([(root, step) for step, root in roots.items()])
    return roots


def kill(places: list[tuple[Path, str]], what: str = "train") -> None:
    arguments = [str(argument) for place in places for argument in place]
    ran = subprocess.run(
        [sys.executable, str(DRIVER), what, *arguments], check=True, capture_output=True, text=True
    )
    ended = [line for line in ran.stdout.splitlines() if line.startswith("ended")]
    assert ended == [f"ended {-signal.SIGKILL}"] * len(places), "a step was never reached"


@pytest.mark.parametrize("step", steps.TRAINER)
def test_killed_at(step: str, killed: dict[str, Path]) -> None:
    """The set is there whole or not at all; the next run ends as if nothing had happened."""
    root = killed[step]
    world = TrainingWorld(root, keep=1)
    published = steps.TRAINER.index(step) >= steps.TRAINER.index(FIRST_STEP_WITH_THE_SET)
    assert world.registry.newest_number() == (2 if published else 1)
    assert world.registry.load_current(CATALOG)[0].number in ({1, 2} if published else {1})
    assert world.registry.verify() == []
    assert world.histories.current() is not None, "the history that readers see is whole"

    assert [release.number for release in world.trainer.run_once()] == ([] if published else [2])
    release, model_set = world.registry.load_current(CATALOG)
    assert release.number == model_set.number == 2
    assert world.registry.verify() == []
    history, meta = world.histories.current() or pytest.fail("no history")
    assert meta.manifests == [(1, 1), (2, 1)]
    batches = EventColumns.concatenate(
        world.batches.read(manifest) for manifest in world.batches.manifests()
    )
    assert len(history) == len(effective_ratings(batches))
    assert_no_leavings(root, world)


def test_killed_before_the_first_set(tmp_path: Path) -> None:
    """Without any set yet, a killed trainer leaves none, and the next one makes it."""
    world = TrainingWorld(tmp_path, keep=1)
    close_batch(world.batches)
    kill([(tmp_path, "file_synced@models/release_1.json")])
    with pytest.raises(NoModelSetError):
        world.registry.load_current(CATALOG)
    assert [release.number for release in world.trainer.run_once()] == [1]
    assert_no_leavings(tmp_path, world)


def assert_no_leavings(root: Path, world: TrainingWorld) -> None:
    """Every folder of a set belongs to a release that is kept, and no temporary name is left."""
    numbers = {release.number for release in world.registry.all_releases()}
    for family in ("regression", "classification", "clustering", "choice"):
        found = {
            int(path.name.rpartition("_")[2])
            for path in (root / "models").glob(f"{family}_model_set_*")
        }
        assert found <= numbers
        assert found == {release.number for release in world.registry.releases()}
    # A note that a set is pruned may be another process's at work: it is swept an hour later.
    assert all("-pruned_" in path.name for path in root.rglob(".tmp-*"))


ERASED = 7


@pytest.fixture(scope="module")
def killed_erasing(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each step of an erasure a work folder in which it was killed there; and one in which it
    was not.
    """
    start = tmp_path_factory.mktemp("killed_erasing")
    world = TrainingWorld(start / "before")
    close_batch(world.batches, 1000)
    close_batch(world.batches, 1000, forgets=(ERASED,))
    roots = {step: start / str(number) for number, step in enumerate(steps.ERASURE)}
    for root in (*roots.values(), start / "undisturbed"):
        shutil.copytree(world.root, root)
    kill([(root, step) for step, root in roots.items()], "erase")
    erase_users(TrainingWorld(start / "undisturbed").batches)
    return roots | {"": start / "undisturbed"}


@pytest.mark.parametrize("step", steps.ERASURE)
def test_an_erasure_killed_at(step: str, killed_erasing: dict[str, Path]) -> None:
    """Every batch is there, as it was or without the user; the next run ends the work, and
    nothing of the user's is left in any file.
    """
    world = TrainingWorld(killed_erasing[step])
    sound, broken = world.batches.sound_manifests()
    assert len(sound) == 2 and broken is None
    for manifest in sound:
        assert bool(manifest.erased) == (manifest.revision == 2)
        world.batches.read(manifest)
    erase_users(world.batches)
    undisturbed = TrainingWorld(killed_erasing[""]).batches
    for manifest, other in zip(world.batches.manifests(), undisturbed.manifests(), strict=True):
        assert manifest.erased == other.erased
        assert (world.batches.read(manifest).offset == undisturbed.read(other).offset).all()
    named = {file.name for each in world.batches.manifests() for file in each.named_files}
    assert {path.name for path in (world.root / "batched_data").glob("movielens*")} == named
