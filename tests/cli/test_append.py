"""`reelstream produce --append`: more ratings of the same stream, without doubling any."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command

HEADER = "userId,movieId,rating,timestamp"
FIRST = ["1,10,4,100", "2,10,3,50", "1,20,5,70"]


def write(path: Path, rows: list[str], end: str = "\n") -> Path:
    """A ratings file; `end` ends its last row."""
    path.write_text("\n".join([HEADER, *rows]) + end)
    return path


@pytest.fixture
def sent(command: Command, tmp_path: Path) -> Path:
    """A ratings file that was sent to the work folder `w`."""
    path = write(tmp_path / "ratings.csv", FIRST)
    assert command("produce", "--data", path, "--work", "w", "--json").json["sent"] == 3
    return path


@pytest.mark.parametrize("end", ["\n", ""])
def test_appended_rows_are_sent_once(command: Command, tmp_path: Path, end: str) -> None:
    """Also where the file's last row had no line end, and also those that repeat an older row."""
    path = write(tmp_path / "ratings.csv", FIRST, end)
    assert command("produce", "--data", path, "--work", "w", "--json").json["sent"] == 3
    for added in (["3,10,4,60", "x,10,4,60"], ["3,10,4,60"]):
        before = path.read_text()
        path.write_text(before + ("" if before.endswith("\n") else "\n") + "\n".join(added) + "\n")
        # Without the flag nothing is refused, and nothing new is sent.
        plain = command("produce", "--data", path, "--work", "w", "--json")
        assert plain.json["sent"] == 0
        assert "--append" in plain.err
        report = command("produce", "--append", "--work", "w", "--json").json
        assert report["sent"] == len(added)
        assert command("produce", "--append", "--work", "w", "--json").json["sent"] == 0
    assert command("batch", "--once", "--work", "w").code == 0
    totals = command("audit", "--work", "w", "--json").json["totals"]
    assert (totals["batched_rows"], totals["rejected_rows"], totals["repeats"]) == (5, 1, 0)


def test_a_second_file_is_added_once(command: Command, sent: Path, tmp_path: Path) -> None:
    """Refused without the flag, which the refusal names; afterwards both files are the stream's."""
    other = write(tmp_path / "more.csv", ["5,10,4,100", "6,10,3,50"])
    refused = command("produce", "--data", other, "--work", "w")
    assert refused.code == 2
    assert "--append" in refused.err
    added = command("produce", "--append", "--data", other, "--work", "w", "--json").json
    assert (added["sent"], added["skipped"]) == (2, 3)
    assert command("produce", "--data", other, "--work", "w", "--json").json["sent"] == 0
    sent.unlink()
    gone = command("produce", "--data", other, "--work", "w", "--json")
    assert gone.json["sent"] == 0
    assert "ratings.csv is gone" in gone.err


@pytest.mark.parametrize(
    "rows", [["1,10,5,100", *FIRST[1:]], FIRST[:2], [*FIRST[:2], FIRST[2] + "5", "9,10,3,50"]]
)
def test_a_changed_file_is_named_as_such(command: Command, sent: Path, rows: list[str]) -> None:
    """A row that was sent is another now, or gone: appending cannot mean that."""
    write(sent, rows)
    for flags in ([], ["--append"]):
        refused = command("produce", *flags, "--work", "w")
        assert refused.code == 2
        assert "has changed since it was sent" in refused.err


def test_a_note_without_a_size_is_understood(command: Command, sent: Path) -> None:
    """Work folders of earlier versions: the end of what was sent is found again."""
    note = Path("w/work.json")
    text = note.read_text()
    size = sent.stat().st_size
    assert f'"size":{size}' in text.replace(" ", "")
    note.write_text(text.replace(" ", "").replace(f',"size":{size}', ""))
    with sent.open("a") as file:
        file.write("3,10,4,60\n")
    report = command("produce", "--append", "--work", "w", "--json").json
    assert (report["sent"], report["skipped"]) == (1, 3)
