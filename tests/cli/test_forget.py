"""`reelstream forget`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import Command

from reelstream.broker import open_broker
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.snapshot_store import SnapshotStore

pytestmark = pytest.mark.slow

USER = 7


@pytest.fixture
def work(trained_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_folder, tmp_path / "work"))


def test_a_user_is_forgotten_for_good(command: Command, work: Path) -> None:
    """In the next batch and the next set, although the whole data set is sent once more behind
    it.
    """
    before = int(time.time())
    said = command("forget", USER, "--work", work, "--json").json
    assert said["user_id"] == USER and before <= said["timestamp"] <= time.time()
    assert command("produce", "--order", "file", "--work", work).code == 0
    assert command("batch", "--once", "--work", work, "--json").json["rows"] == 3001
    assert command("train", "--work", work).code == 0
    current = SnapshotStore.in_folder(work / "history").current()
    assert current is not None
    users = current[0].user_ids.tolist()
    assert len(users) == 59 and USER not in users
    assert USER in np.load(work / "models/regression_model_set_2/chain_user_ids.npy")
    assert USER not in np.load(work / "models/regression_model_set_3/chain_user_ids.npy")
    audited = command("audit", "--work", work, "--json")
    assert audited.code == 0 and audited.json["totals"]["erased_rows"] > 10
    batches = BatchFolder.in_folder(work / "batched_data")
    for manifest in batches.manifests():
        rows = batches.read(manifest)
        assert USER not in rows.user_id[~rows.is_erasure]
    rebuilt = command("models", "rebuild", 2, "--work", work)
    assert rebuilt.code == 2 and "a user was erased from it" in rebuilt.err


def test_a_report_says_where_the_user_still_is(command: Command, work: Path) -> None:
    """Before, after and between the steps of an erasure; the command line tells."""

    def places(*, passing: bool) -> set[str]:
        said = command("forget", USER, "--report", "--work", work, "--json").json
        assert said["is_done"] == (not any(trace["is_passing"] for trace in said["traces"]))
        return {each["where"] for each in said["traces"] if each["is_passing"] == passing}

    everywhere = {"erasure", "batch files", "snapshots", "model sets"}
    assert places(passing=True) == everywhere
    command("forget", USER, "--work", work)
    command("batch", "--once", "--work", work)
    assert places(passing=True) == everywhere - {"erasure"}
    command("train", "--work", work)
    assert places(passing=True) == set()
    assert places(passing=False) == {"log", "batch files", "model sets"}
    table = command("forget", USER, "--report", "--work", work)
    assert "erased up to" in table.out and "retention" in table.out
    both = command("forget", USER, "--report", "--wait", "--work", work)
    assert both.code == 2
    lines = (work / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 1 and '"userId":7' in lines[0]


def test_it_says_what_comes_and_what_stays(command: Command, work: Path) -> None:
    """One sentence; a user whom nobody knows is no error, nor is a second time."""
    for _ in range(2):
        answer = command("forget", 10**12, "--work", work)
        assert answer.code == 0 and answer.out.count("\n") == 1
    assert "next run of the trainer" in answer.out and "stay in the log" in answer.out


def test_nobody_is_remembered_in_silence(command: Command, work: Path) -> None:
    """Excluding the batch of the wish undoes it, and says for whom."""
    command("forget", USER, "--work", work)
    assert command("batch", "--once", "--work", work, "--json").json["batches"] == [3]
    assert (
        f"batch 3 forgot count again, as far as their rows are still in files: {USER};"
        in command("batches", "exclude", 3, "--work", work).err
    )
    assert command("batches", "exclude", 2, "--work", work).err == ""


def test_a_topic_that_was_made_anew_gets_nothing(command: Command, work: Path) -> None:
    """No batch writer of this folder would read it."""
    (work / "log.db").unlink()
    with open_broker(f"sqlite:{work / 'log.db'}") as broker:
        broker.ensure_topic("ratings", 3)
        answer = command("forget", USER, "--work", work)
        assert (answer.code, sum(broker.end_offsets("ratings").values())) == (1, 0)
    assert "nothing was sent" in answer.err
