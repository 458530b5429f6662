"""`reelstream rejected`: rows that are no ratings are listed, shown, edited and sent again."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Command

from reelstream.broker import open_broker
from reelstream.cli.rejected_text import MAX_LINE_BYTES, lines_of, read_lines
from reelstream.errors import SettingError
from reelstream.storage.manifest import RejectedRow

VALUES = [
    b'{"userId":1,"movieId":31,"rating":7,"timestamp":1260759144}',
    b'{"userId":2,"movieId":31,"rating":8,"timestamp":1260759144}',
    b"nonsense",
    b"\xff\x00",
]


@pytest.fixture
def work(command: Command, tmp_path: Path) -> Path:
    """A work folder whose only batch has four rejected rows, offsets 0 to 3 of partition 0."""
    folder = tmp_path / "work"
    assert command("batch", "--once", "--work", folder).code == 0
    with (
        open_broker(f"sqlite:{folder / 'log.db'}") as broker,
        broker.producer("ratings") as producer,
    ):
        for value in VALUES:
            producer.send(value, partition=0)
        producer.flush()
    assert command("batch", "--once", "--work", folder).code == 0
    return folder


def test_they_are_counted_by_batch_and_reason(command: Command, work: Path) -> None:
    """Reasons that differ in their numbers only are one."""
    kinds = command("rejected", "list", "--work", work, "--json").json["rejected"]
    assert kinds[0] == {
        "batch": 1,
        "reason": "rating … is not on the scale … to … in steps of …",
        "rows": 2,
        "requeued": 0,
        "first": "0:0",
    }
    assert sum(kind["rows"] for kind in kinds) == 4
    assert "not on the scale" in " ".join(command("rejected", "list", "--work", work).out.split())


def test_their_bytes_can_be_read(command: Command, work: Path) -> None:
    """Each with its reason above; what is no text as escapes, in a comment."""
    lines = command("rejected", "show", 1, "--work", work).out.splitlines()
    assert lines[0] == "# 0:0: rating 7 is not on the scale 0.5 to 5 in steps of 0.5"
    assert lines[1] == f"0:0 {VALUES[0].decode()}"
    assert lines[7] == r"# 0:3 \xff\x00 (2 bytes, no text)"
    assert command("rejected", "show", "0:2", "--work", work).out.splitlines()[1] == "0:2 nonsense"
    (row,) = command("rejected", "show", "0:3", "--work", work, "--json").json["rows"]
    assert (row["requeued"], row["row"]["raw"]) == (False, "/wA=")


def test_what_show_writes_is_edited_and_sent_again(command: Command, work: Path) -> None:
    """Each row once: requeued again it is left out, and the audit counts rejected and requeued."""
    shown = command("rejected", "show", 1, "--work", work).out
    edited = (
        shown.replace('"rating":7', '"rating":5')
        .replace('"rating":8', '"rating":4')
        .replace("0:2 n", "# 0:2 n")
    )
    Path("edited.txt").write_text(edited)
    assert command("rejected", "requeue", "edited.txt", "--work", work, "--json").json == {
        "requeued": 2,
        "before": 0,
    }
    assert command("batch", "--once", "--work", work, "--json").json == {"batches": [2], "rows": 2}
    again = command("rejected", "requeue", "edited.txt", "--work", work)
    assert again.out == "0 rows requeued; 2 had been requeued before\n"
    assert command("batch", "--once", "--work", work, "--json").json == {"batches": [], "rows": 0}
    audit = command("audit", "--work", work, "--json")
    assert audit.code == 0
    assert (audit.json["totals"]["rejected_rows"], audit.json["totals"]["requeued_rows"]) == (4, 2)
    assert (
        command("rejected", "list", "--work", work, "--json").json["rejected"][0]["requeued"] == 2
    )
    assert command("rejected", "show", 1, "--work", work).out.splitlines()[1].endswith("(requeued)")


def test_lines_may_come_from_stdin(
    command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of a file is taken as well as a message."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("0:2 1,31,4.5,1260759144\n"))
    assert command("rejected", "requeue", "-", "--work", work, "--json").json["requeued"] == 1


def test_an_editor_opens_the_rows(
    command: Command, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it leaves is taken; an editor that fails sends nothing."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i s/7,/4.5,/")
    assert (
        command("rejected", "requeue", "--edit", "0:0", "--work", work, "--json").json["requeued"]
        == 1
    )
    monkeypatch.setenv("EDITOR", "false")
    answer = command("rejected", "requeue", "--edit", "0:1", "--work", work)
    assert answer.code == 2
    assert "nothing was sent" in answer.err


@pytest.mark.parametrize(
    ("editor", "code", "said"),
    [
        ("sed -i s/7,/4.5,/", 0, "1 rows requeued"),
        (r"sed -i s/7,/\\xff/", 2, "no UTF-8 text, nothing was sent"),
        ("rm", 2, "nothing was sent"),
    ],
    ids=["good", "other bytes", "no file"],
)
def test_an_editor_gets_and_leaves_utf8_whatever_the_locale(
    command: Command, work: Path, editor: str, code: int, said: str
) -> None:
    """As FILE has it; what is none is one sentence."""
    with open_broker(f"sqlite:{work / 'log.db'}") as broker, broker.producer("ratings") as producer:
        producer.send(
            '{"userId":3,"movieId":31,"rating":7,"timestamp":1260759144,"by":"Zoë"}'.encode(),
            partition=1,
        )
        producer.flush()
    assert command("batch", "--once", "--work", work).code == 0
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "reelstream",
            "rejected",
            "requeue",
            "--edit",
            "1:0",
            "--work",
            work,
        ],
        env={**os.environ, **ascii_only, "VISUAL": "", "EDITOR": editor},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == code, answer.stderr
    assert said in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("0:0 1,31,9,5\n0:1 1,31,9,5\n", "0:0: rating 9 is not on the scale"),
        ("0:0 1,31,4,5\n0:1 1,31,9,5\n", "nothing was sent"),
        ("0:77 1,31,4,5\n", "no row was rejected at 0:77"),
        ("1,31,4,5\n", "line 1 is not PARTITION:OFFSET"),
        ("0:0 1,31,4,5\n0:0 1,31,4,5\n", "a second time"),
    ],
)
def test_what_cannot_be_sent_is_named_and_nothing_is_sent(
    command: Command, work: Path, lines: str, said: str
) -> None:
    """Wrong usage: exit code 2 and one sentence."""
    Path("edited.txt").write_text(lines)
    answer = command("rejected", "requeue", "edited.txt", "--work", work)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert command("batch", "--once", "--work", work, "--json").json["rows"] == 0


@pytest.mark.parametrize(
    "arguments",
    [["show", "9"], ["show", "x"], ["show", "1:5"], ["requeue"], ["requeue", "nowhere.txt"]],
    ids=" ".join,
)
def test_what_is_not_there_is_wrong_usage(
    command: Command, work: Path, arguments: list[str]
) -> None:
    """Said in one sentence."""
    answer = command("rejected", *arguments, "--work", work)
    assert answer.code == 2
    assert answer.err.count("\n") == 1


def test_a_topic_that_was_made_anew_gets_nothing(command: Command, work: Path) -> None:
    """Its offsets mean something else, and no batch writer of this folder would read it."""
    (work / "log.db").unlink()
    with open_broker(f"sqlite:{work / 'log.db'}") as broker:
        broker.ensure_topic("ratings", 3)
        Path("edited.txt").write_text("0:0 1,31,4,5\n")
        answer = command("rejected", "requeue", "edited.txt", "--work", work)
        assert (answer.code, sum(broker.end_offsets("ratings").values())) == (1, 0)
    assert "made anew" in answer.err


def test_a_line_is_one_line_whatever_the_bytes() -> None:
    """Line breaks become spaces, what is not printable an escape, and a long row is cut unless it
    is asked for alone.
    """
    rows = [
        RejectedRow("r", 0, 1, 0, "{\n\u2028é}\x1b".encode(), "{\n\u2028é}\x1b"),
        RejectedRow("r", 0, 2, 0, b"x" * (MAX_LINE_BYTES + 1), "x" * (MAX_LINE_BYTES + 1)),
    ]
    lines = list(lines_of(rows, ()))
    assert lines[1] == r"0:1 { \u2028é}\x1b"
    assert lines[3].startswith("# 0:2 xxx") and lines[3].endswith(
        f"… ({MAX_LINE_BYTES + 1:,} bytes)"
    )
    whole = list(lines_of(rows, (), whole=True))
    assert read_lines("\n".join(whole))[0, 2] == rows[1].raw


def test_comments_and_empty_lines_are_passed_over() -> None:
    """Only places with a message are taken."""
    assert read_lines("# 0:1 a\n\n  0:2   b c \n") == {(0, 2): b"b c"}
    with pytest.raises(SettingError, match="line 2"):
        read_lines("0:1 a\n0:2\n")
