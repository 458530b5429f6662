"""The stages as commands, one after the other, on a small data set."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import Command

from reelstream.storage.model_sets import ModelSetStore


@pytest.fixture
def work(trained_folder: Path, tmp_path: Path) -> Path:
    """A copy of the trained folder."""
    return Path(shutil.copytree(trained_folder, tmp_path / "copy"))


def test_a_second_pass_finds_nothing_to_do(
    command: Command, small_dataset: Path, work: Path
) -> None:
    """produce, batch --once and train may be run again at any time: nothing is sent, closed or
    trained twice.
    """
    assert command("produce", "--data", small_dataset, "--work", work, "--json").json["sent"] == 0
    assert command("batch", "--once", "--work", work, "--json").json == {"batches": [], "rows": 0}
    answer = command("train", "--work", work, "--json")
    assert (answer.code, answer.json) == (0, {"releases": []})


def test_the_work_folder_remembers_its_data_set(command: Command, work: Path) -> None:
    """Without --data, the data set that the folder belongs to is meant."""
    assert command("produce", "--work", work, "--json").json["sent"] == 0


def test_a_folder_is_made_ready_before_anything_is_sent(
    command: Command, small_dataset: Path
) -> None:
    """Stages that start at the same time find their work folder bound to the data set, its films
    there, its log empty.
    """
    ready = command("produce", "--data", small_dataset, "--work", "w", "--bind-only", "--json")
    assert (ready.code, ready.json["data"]) == (0, small_dataset.name)
    assert Path("w/films.json").exists()
    assert command("batch", "--once", "--work", "w", "--json").json == {"batches": [], "rows": 0}
    assert command("produce", "--work", "w", "--json").json["sent"] == 3000


def test_another_data_set_is_refused(command: Command, work: Path, tmp_path: Path) -> None:
    """Two data sets would mix their user ids."""
    command(
        "simulate", tmp_path / "other", "--users", 30, "--items", 50, "--ratings", 300, "--seed", 9
    )
    answer = command("produce", "--data", tmp_path / "other", "--work", work)
    assert answer.code == 2
    assert "--work" in answer.err


def test_a_data_set_that_went_away_is_named(
    command: Command, small_dataset: Path, tmp_path: Path
) -> None:
    """A moved data set asks for --data, and is known again by its content."""
    here = Path(shutil.copytree(small_dataset, tmp_path / "here"))
    assert command("produce", "--data", here, "--work", "w").code == 0
    here.rename(tmp_path / "there")
    gone = command("produce", "--work", "w")
    assert gone.code == 2
    assert "--data" in gone.err
    assert command("produce", "--data", tmp_path / "there", "--work", "w").code == 0


def test_audit_is_clean_then_names_what_was_damaged(command: Command, work: Path) -> None:
    """Exit code 0 while everything adds up, 1 and the file's name when it does not."""
    clean = command("audit", "--work", work, "--json")
    assert clean.code == 0
    assert clean.json["problems"] == []
    assert clean.json["totals"]["batched_rows"] == 3000
    batch = next((work / "batched_data").glob("movielens_batch_*_1.csv"))
    batch.write_bytes(batch.read_bytes()[:-20])
    damaged = command("audit", "--work", work)
    assert damaged.code == 1
    assert batch.name in damaged.err


def test_models_are_listed_shown_and_verified(command: Command, work: Path) -> None:
    """The newest set is current, its release says what it learned, and a changed file is found."""
    listed = command("models", "list", "--work", work, "--json").json
    assert [release["number"] for release in listed["releases"]] == [1, 2]
    assert "current" in command("models", "list", "--work", work).out
    assert command("models", "show", 2, "--work", work, "--json").json["manifests"] == [
        [1, 1],
        [2, 1],
    ]
    assert "holdout" in command("models", "show", 2, "--work", work).out
    assert command("models", "show", 9, "--work", work).code == 2
    assert command("models", "verify", "--work", work).code == 0
    changed = next((work / "models" / "regression_model_set_2").iterdir())
    changed.write_bytes(b"other")
    answer = command("models", "verify", "--work", work)
    assert answer.code == 1
    assert changed.name in answer.err


def test_segments_are_told_in_words(command: Command, work: Path) -> None:
    """Every user is in one of the segments of a set."""
    answer = command("models", "segments", 2, "--work", work, "--json").json
    assert answer["number"] == 2
    assert sum(segment["size"] for segment in answer["segments"]) == 60
    assert answer["segments"][0]["label"] in " ".join(
        command("models", "segments", 2, "--work", work).out.split()
    )
    assert command("models", "segments", 9, "--work", work).code == 2


def test_a_set_can_be_pinned_and_pruning_spares_it(command: Command, work: Path) -> None:
    """`activate N` holds until `activate --latest`; `prune` removes neither the current nor the
    pinned set.
    """
    newest = command("models", "list", "--work", work, "--json").json["current"]
    assert command("models", "activate", 1, "--work", work, "--json").json == {
        "current": 1,
        "pinned": 1,
    }
    assert command("models", "prune", "--keep", 1, "--work", work, "--json").json == {"removed": []}
    assert "model set" in command("models", "activate", "--latest", "--work", work).out
    assert command("models", "list", "--work", work, "--json").json["current"] == newest


def test_sets_are_pruned_beside_a_trainer(command: Command, work: Path) -> None:
    """One that follows holds its lock for as long as it lives, and the disk may be full before."""
    with ModelSetStore.in_folder(work / "models").lock():
        assert command("models", "prune", "--keep", 1, "--work", work, "--json").json == {
            "removed": [1]
        }
    assert command("models", "verify", "--work", work).code == 0


def test_a_batch_is_taken_out_and_put_back(command: Command, work: Path) -> None:
    """`batches` lists what was excluded, and refuses a number that does not exist."""
    assert command("batches", "exclude", 2, "--work", work, "--json").json == {"excluded": [2]}
    listed = command("batches", "list", "--work", work, "--json").json
    assert listed["excluded"] == [2]
    assert sum(file["rows"] for batch in listed["batches"] for file in batch["files"]) == 3000
    assert listed["drift"]["1"] is None
    assert 0 <= listed["drift"]["2"] < 0.5
    assert "excluded" in command("batches", "list", "--work", work).out
    assert "none" in command("batches", "include", 2, "--work", work).out
    assert command("batches", "exclude", 7, "--work", work).code == 2


def test_settings_may_change_the_like_threshold_of_a_new_folder_only(
    command: Command, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a property of the data set: once a folder has it, another is refused."""
    monkeypatch.setenv("REELSTREAM_DATA_LIKE_THRESHOLD", "3.5")
    assert command("produce", "--data", small_dataset, "--work", "w").code == 0
    assert command("batch", "--once", "--work", "w").code == 0
    monkeypatch.setenv("REELSTREAM_DATA_LIKE_THRESHOLD", "4.5")
    answer = command("batch", "--once", "--work", "w")
    assert answer.code == 2
    assert "3.5" in answer.err
    monkeypatch.setenv("REELSTREAM_DATA_LIKE_THRESHOLD", "9")
    assert "like_threshold" in command("batch", "--once", "--work", "w").err
