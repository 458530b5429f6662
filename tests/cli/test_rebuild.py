"""`reelstream models rebuild`: a set is a function of its batches, its seed and its predecessor."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Command

from reelstream.storage.model_sets import ModelSetStore

pytestmark = pytest.mark.slow


@pytest.fixture
def work(trained_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_folder, tmp_path / "copy"))


@pytest.mark.parametrize("threads", [1, 2])
def test_both_sets_come_out_the_same_whatever_the_number_of_threads(
    threads: int, command: Command, work: Path, use_threads: Callable[[int], None]
) -> None:
    """The first started cold, the second goes on from it."""
    use_threads(threads)
    for number in (1, 2):
        answer = command("models", "rebuild", number, "--work", work)
        assert answer.code == 0, answer
        assert "bit for bit" in answer.out


def test_what_comes_out_differently_is_named(command: Command, work: Path) -> None:
    """A release that speaks of another seed, as if the set were not what it says."""
    path = work / "models" / "release_1.json"
    release = path.read_text()
    assert '"seed": 0' in release
    path.write_text(release.replace('"seed": 0', '"seed": 7'))
    answer = command("models", "rebuild", 1, "--work", work)
    assert answer.code == 1
    assert "regression_model_set_1/draws_means.npy comes out differently" in answer.err


def test_a_removed_predecessor_is_an_error_that_says_so(command: Command, work: Path) -> None:
    registry = ModelSetStore.in_folder(work / "models")
    with registry.lock():
        registry.prune(1)
    answer = command("models", "rebuild", 2, "--work", work)
    assert answer.code == 2
    assert "set 1, whose chain it was warm-started from, was removed" in answer.err


def test_a_changed_batch_is_an_error_that_says_so(command: Command, work: Path) -> None:
    (work / "batched_data" / "manifest_2.1.json").unlink()
    answer = command("models", "rebuild", 2, "--work", work)
    assert answer.code == 2
    assert "batch 2 is not what it was trained on" in answer.err
