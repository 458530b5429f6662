"""`reelstream status`: where the stream stands at this moment."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from command_line import Command
from test_status import manifest, status

from fake_sets import release
from reelstream.broker import open_broker
from reelstream.errors import BrokerError
from reelstream.files import encode_json
from reelstream.monitoring.status import PipelineStatus, StatusReader
from reelstream.monitoring.status_report import report_of
from reelstream.storage.manifest import BatchFile, Manifest
from reelstream.storage.work_folder import WorkFolder

NOWHERE = "http://127.0.0.1:9"
"""Where no API answers."""


@pytest.fixture
def work(trained_folder: Path, tmp_path: Path) -> Path:
    """A copy of the trained folder: two batches of 3000 ratings, two sets."""
    return Path(shutil.copytree(trained_folder, tmp_path / "copy"))


def test_the_status_of_a_trained_folder(command: Command, work: Path) -> None:
    """Nothing lags, and the newest set should serve; an API is not needed."""
    answer = command("status", "--work", work, "--api", NOWHERE, "--json")
    assert answer.code == 0
    assert {lag["unbatched"] + lag["untrained"] for lag in answer.json["partitions"]} == {0}
    assert sum(lag["end"] - lag["first"] for lag in answer.json["partitions"]) == 3000
    batches, sets = answer.json["batches"], answer.json["model_set"]
    assert (batches["count"], batches["newest"], batches["trends"]["ratings"]) == (2, 2, 3000)
    assert 0 <= batches["trends"]["drift"] < 0.5
    assert (sets["serving"], sets["current"], sets["pinned"], sets["newest"]) == (None, 2, None, 2)
    assert sets["age"] >= 0
    text = command("status", "--work", work, "--api", NOWHERE).out
    for part in (
        "2 with 3,000 ratings",
        "model set: 2, published",
        f"API at {NOWHERE}: no answers yet",
        "partition",
    ):
        assert part in text


def test_what_waits_is_lag_of_its_partition(command: Command, work: Path) -> None:
    """Offsets that no batch holds, and those that the set has not seen."""
    with open_broker(f"sqlite:{work / 'log.db'}") as broker, broker.producer("ratings") as producer:
        for _ in range(7):
            producer.send(b"null", partition=1)
        producer.flush()
    lags = command("status", "--work", work, "--api", NOWHERE, "--json").json["partitions"]
    assert [(lag["unbatched"], lag["untrained"]) for lag in lags] == [(0, 0), (7, 7), (0, 0)]
    command("batch", "--once", "--work", work)
    lags = command("status", "--work", work, "--api", NOWHERE, "--json").json["partitions"]
    assert [(lag["unbatched"], lag["untrained"]) for lag in lags] == [(0, 0), (0, 7), (0, 0)]


def test_a_folder_without_batches_has_a_status(command: Command) -> None:
    """Before the first batch there is nothing to say, and that is said."""
    assert command("batch", "--once", "--work", "w").code == 0
    text = command("status", "--work", "w", "--api", NOWHERE).out
    assert "none closed yet" in text
    assert "model set: none yet" in text


def test_without_its_log_a_folder_has_a_status(
    command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in files is said, and that the log does not answer."""

    def away(*_: object) -> None:
        raise BrokerError("nobody answers")

    monkeypatch.setattr("reelstream.cli.status.open_log", away)
    answer = command("status", "--work", work, "--api", NOWHERE, "--json")
    assert answer.code == 0
    assert (answer.json["partitions"], answer.json["batches"]["count"]) == ([], 2)
    assert answer.json["remarks"][0].startswith("the log does not answer")


@pytest.mark.parametrize(
    ("name", "still_said"),
    [
        ("batched_data/manifest_2.1.json", "batches: 1 with 1,500 ratings"),
        ("batched_data/excluded.json", "batches: 2 with 3,000 ratings"),
        ("models/release_2.json", "the newest is set 1, first"),
        ("models/CURRENT", "model set: none yet"),
        ("models/PINNED", "model set: 2, published"),
    ],
)
def test_a_damaged_file_is_remarked_on_and_the_rest_is_said(
    command: Command, work: Path, name: str, still_said: str
) -> None:
    """Who looks at the status wants to know what is wrong, and gets it beside what is right."""
    (work / name).write_text("{")
    answer = command("status", "--work", work, "--api", NOWHERE)
    assert answer.code == 0
    assert still_said in answer.out
    assert f"! {work / name} is not what was published" in answer.out


def test_files_with_odd_names_are_nobodys(command: Command, work: Path) -> None:
    """A copy made by hand is no release."""
    for name in ("release_1 copy.json", "release_007.json", "release_.json"):
        shutil.copy(work / "models" / "release_1.json", work / "models" / name)
    answer = command("status", "--work", work, "--api", NOWHERE, "--json")
    assert (answer.code, answer.json["model_set"]["newest"], answer.json["remarks"]) == (0, 2, [])
    listed = command("models", "list", "--work", work, "--json").json
    assert [release["number"] for release in listed["releases"]] == [1, 2]


def test_a_run_that_looks_again_and_again_outlives_damage(work: Path) -> None:
    """What was sound stays known; what is put back is read."""
    folder = WorkFolder(work)
    with StatusReader(folder, None, "ratings", NOWHERE) as reader:
        assert (reader.read().damage, len(reader.read().releases)) == ((), 2)
        third = folder.models / "release_3.json"
        third.write_text("{")
        now = reader.read()
        assert len(now.releases) == 2
        assert [sentence.split(" is not")[0] for sentence in now.damage] == [str(third)]
        third.write_bytes(encode_json(msgspec.structs.replace(now.releases[-1], number=3)))
        assert [found.number for found in reader.read().releases] == [1, 2, 3]
        assert reader.read().damage == ()


def remarks(
    now: PipelineStatus,
    topic: str | None = "t",
    starts: dict[int, int] | None = None,
    **pointers: int,
) -> str:
    """All remarks on a status."""
    return "\n".join(report_of(replace(now, **pointers), topic, starts or {0: 0}, now=0).remarks)


def with_newest(now: PipelineStatus, **changes: object) -> PipelineStatus:
    """The same with another newest batch."""
    newest: Manifest = msgspec.structs.replace(now.manifests[-1], **changes)
    return replace(now, manifests=[*now.manifests[:-1], newest])


SOUND = status(2, [release(1), release(2)], serving=2)


def test_a_sound_stream_has_no_remarks() -> None:
    """A remark is worth a look."""
    assert remarks(SOUND, current=2) == ""


@pytest.mark.parametrize(
    ("said", "now", "options"),
    [
        ("the log does not answer", SOUND, {"topic": None}),
        ("deleted and made anew", SOUND, {"topic": "another"}),
        ("the log has lost offsets 20 to 24 of partition 0", SOUND, {"starts": {0: 25}}),
        (
            "model set 2 was refused",
            status(2, [release(1), release(2, verdict="refused")]),
            {"current": 1},
        ),
        ("answers from model set 2, not from set 1", SOUND, {"current": 2, "pinned": 1}),
        (
            "50.0% of the rows of batch 2 were rejected",
            with_newest(
                SOUND, rejected=BatchFile(name="rejected_2.jsonl", rows=10, bytes=1, sha256="")
            ),
            {},
        ),
        (
            "the ratings of batch 2 are distributed unlike those before",
            replace(
                status(2, []),
                manifests=[
                    msgspec.structs.replace(manifest(1), histogram={4.0: 300}),
                    msgspec.structs.replace(manifest(2), histogram={1.0: 300}),
                ],
            ),
            {},
        ),
    ],
)
def test_what_is_remarkable_is_said(
    said: str, now: PipelineStatus, options: dict[str, object]
) -> None:
    """One sentence each."""
    assert said in remarks(now, **options)  # type: ignore[arg-type]


def test_a_pinned_set_is_the_current_one(command: Command, work: Path) -> None:
    """And its age is that of its release."""
    command("models", "activate", 1, "--work", work)
    sets = command("status", "--work", work, "--api", NOWHERE, "--json").json["model_set"]
    created_at = json.loads((work / "models" / "release_1.json").read_text())["created_at"]
    assert (sets["current"], sets["pinned"], sets["created_at"]) == (1, 1, created_at)
    assert "model set: 1, pinned" in command("status", "--work", work, "--api", NOWHERE).out
