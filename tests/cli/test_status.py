"""What a run shows, and when it may end."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fake_sets import release
from reelstream.cli import dataset_factories
from reelstream.cli.pipeline import outcome_of
from reelstream.cli.stage import Stage
from reelstream.cli.status_view import StatusView, summary
from reelstream.errors import DatasetError
from reelstream.monitoring.status import PipelineStatus
from reelstream.settings import load
from reelstream.storage.manifest import BatchFile, Manifest, OffsetRange
from reelstream.storage.release import Release
from reelstream.storage.work_folder import WorkFolder


def manifest(number: int) -> Manifest:
    """A batch of ten ratings."""
    return Manifest(
        number=number,
        topic_id="t",
        files=(BatchFile(name=f"batch_{number}.csv", rows=10, bytes=100, sha256="0" * 64),),
        rejected=None,
        partitions={0: OffsetRange(10 * number - 10, 10 * number)},
        next_offsets={0: 10 * number},
        sources={},
        repeats=0,
        closed_at=0,
    )


def status(
    batches: int, releases: list[Release], serving: int | None = None, end: int | None = None
) -> PipelineStatus:
    """A pipeline with so many batches; the log ends with the last unless said otherwise."""
    ends = {0: 10 * batches if end is None else end}
    manifests = [manifest(number) for number in range(1, batches + 1)]
    return PipelineStatus(end_offsets=ends, manifests=manifests, releases=releases, serving=serving)


@pytest.mark.parametrize(
    ("now", "exit_code"),
    [
        (status(0, []), None),
        (status(2, [release(1), release(2)], serving=1), None),
        (status(2, [release(1), release(2)], serving=2), 0),
        (status(3, [release(1), release(3)], serving=3), 0),
        (status(2, [release(1), release(2, verdict="refused")], serving=1), 1),
        (status(1, [release(1)], serving=1), 1),
        (status(1, [release(1)], serving=1, end=15), None),
        (status(1, []), None),
    ],
)
def test_until_set_two(now: PipelineStatus, exit_code: int | None) -> None:
    """0 when the first set from 2 on serves; 1 when it was refused, or the data ended before; else
    the run goes on.
    """
    assert outcome_of(now, 2, is_produced=True)[0] == exit_code


def test_a_run_of_rejected_rows_ends_and_says_why() -> None:
    """Whatever set it waits for, or none; not before everything is in a batch."""
    rejected = BatchFile(name="rejected_1.jsonl", rows=7, bytes=1, sha256="0" * 64)
    batch = msgspec.structs.replace(manifest(1), files=(), rejected=rejected)
    now = replace(status(1, []), manifests=[batch], rejection="7 of 7 rows are rejected")
    for until_set in (1, None):
        exit_code, why = outcome_of(now, until_set, is_produced=True)
        assert exit_code == 1
        assert "7 of 7 rows" in why
        assert outcome_of(now, until_set, is_produced=False)[0] is None
    assert "7 of 7 rows" in summary(now)


def test_a_run_without_a_rating_to_learn_from_ends() -> None:
    """One rating may be held out: then no set is ever made."""
    now = replace(status(1, []), is_learnable=False)
    assert outcome_of(now, 1, is_produced=True)[0] == 1
    assert outcome_of(now, None, is_produced=True)[0] is None


def test_before_the_data_has_ended_nothing_is_given_up() -> None:
    """As long as the producer sends, more batches may come."""
    assert outcome_of(status(1, [release(1)], serving=1), 2, is_produced=False)[0] is None


def test_plain_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """URLs first, then a line for every change and none for no change."""
    now = status(2, [release(1)], serving=1)
    with StatusView(
        [Stage("train", [sys.executable], tmp_path / "log")], {"API": "http://127.0.0.1:5000"}
    ) as view:
        view.show(now)
        view.show(now)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "API: http://127.0.0.1:5000"
    assert len(lines) == 2
    assert "2 with 20 ratings" in lines[1]
    assert "model set 1 in service" in lines[1]


def test_a_live_picture_in_a_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages, rows, the set in service, its scores and the URLs; sentences stay above."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with StatusView(
        [Stage("train", [sys.executable], tmp_path / "log")], {"API": "http://127.0.0.1:5000"}
    ) as view:
        view.add_line("train was killed")
        view.show(status(2, [release(1)], serving=1))
    shown = capsys.readouterr().out
    for part in (
        "train was killed",
        "train",
        "2 with 20 ratings",
        "model set 1",
        "http://127.0.0.1:5000",
        "RMSE",
    ):
        assert part in shown


def test_without_internet_ratings_are_simulated_and_that_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; the second time the same simulated ratings are found, without a word and without the
    network.
    """

    def offline(_: Path) -> Path:
        raise DatasetError("the download failed")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dataset_factories, "fetch_movielens", offline)
    small = dataset_factories.SimulatedSize(users=9, items=30, ratings=200)
    monkeypatch.setattr(dataset_factories, "STAND_IN", small)
    settings = load(None, {"work": tmp_path / "work"})
    first = dataset_factories.open_dataset(settings)
    said = capsys.readouterr().err
    assert "the download failed" in said
    assert "simulated, not real" in said
    assert first.folder == WorkFolder(tmp_path / "work").simulated
    assert dataset_factories.open_dataset(settings).fingerprint == first.fingerprint
    assert capsys.readouterr().err == ""
