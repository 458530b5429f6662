"""What every command promises: exit codes, and one sentence for whatever goes wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Command

from reelstream import __version__
from reelstream.cli import app as cli

NEED_A_WORK_FOLDER = (
    ["train"],
    ["serve"],
    ["audit"],
    ["log", "topics"],
    ["log", "tail"],
    ["status"],
    ["models", "list"],
    ["models", "show", "1"],
    ["models", "segments", "1"],
    ["models", "activate", "1"],
    ["models", "prune"],
    ["models", "verify"],
    ["batches", "list"],
    ["rejected", "list"],
    ["rejected", "show", "1"],
    ["rejected", "requeue", "-"],
    ["forget", "7"],
    ["keys", "list"],
    ["keys", "create", "shop"],
    ["keys", "revoke", "shop"],
    ["batches", "exclude", "1"],
    ["batches", "include", "1"],
)


@pytest.mark.parametrize("arguments", NEED_A_WORK_FOLDER, ids=" ".join)
def test_a_folder_that_is_no_work_folder_is_wrong_usage(
    command: Command, arguments: list[str]
) -> None:
    """Exit code 2, one sentence that names --work, and the folder is not made."""
    answer = command(*arguments, "--work", "nowhere", "--json")
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    assert "--work" in answer.err
    assert answer.out == ""
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["zap"],
        ["run", "--zap"],
        ["run", "--engine", "abacus"],
        ["serve", "--port", "many"],
        ["batch", "--batch-rows", "0"],
        ["models", "activate"],
        ["models", "activate", "1", "--latest"],
        ["evaluate", "--train", "ratings.csv"],
        ["evaluate", "--test-share", "1.5"],
        ["evaluate", "--data", "a", "--train", "b", "--test", "c"],
        ["evaluate", "--sweeps", "10", "--burn-in", "9", "--draws", "4"],
        ["produce", "--data", "nowhere"],
        ["run", "--data", "nowhere", "--port", "0", "--no-ui"],
        ["batch", "--broker", "carrier-pigeon:loft"],
        ["batch", "--broker", "kafka://me:password@localhost:9092"],
        ["batch", "--kafka", "acks"],
        ["run", "--partitions", "0"],
        ["batch", "--config", "nowhere.toml"],
        ["forget"],
        ["forget", "somebody"],
        ["forget", str(2**63)],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_one_sentence(
    command: Command, arguments: list[str]
) -> None:
    """Whatever is wrong with a command line is said once, without a traceback."""
    answer = command(*arguments)
    assert answer.code == 2
    assert answer.err.startswith("reelstream: ")
    assert answer.err.count("\n") == 1


def test_no_command_shows_the_help(command: Command) -> None:
    """`reelstream` alone lists the commands; it is still wrong usage."""
    answer = command()
    assert answer.code == 2
    assert "produce" in answer.out


def test_version_and_help_are_done(command: Command) -> None:
    """Exit code 0 for both."""
    assert command("--version").out == f"reelstream {__version__}\n"
    assert command("models", "--help").code == 0


def test_an_unexpected_error_is_one_sentence_with_a_hint(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug is not a traceback in a person's face; the hint says how to see it, and then it is
    shown.
    """

    def broken(**_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(cli, "app", broken)
    answer = command("audit")
    assert answer.code == 1
    assert (
        answer.err
        == "reelstream: unexpected ZeroDivisionError: division by zero (REELSTREAM_DEBUG=1 shows"
        " where)\n"
    )
    monkeypatch.setenv("REELSTREAM_DEBUG", "1")
    assert "Traceback" in command("audit").err


def test_an_interrupt_is_quiet(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is exit code 130 and no word."""

    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)
    answer = command("audit")
    assert (answer.code, answer.err) == (130, "")


HEAVY = ["numpy", "numba", "polars", "sklearn", "streamlit", "rich.live"]
OURS = ["reelstream.settings", "reelstream.cli.run", "reelstream.cli.models"]


@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        (["--help"], [*HEAVY, *OURS, "pydantic", "structlog", "rich"]),
        (["models", "--help"], [*HEAVY, *OURS]),
    ],
    ids=["all", "models"],
)
def test_help_imports_no_command(arguments: list[str], modules: list[str]) -> None:
    """It lists commands at once, without them and what they need."""
    code = (
        f"import sys; from reelstream.cli.app import invoke; code = invoke({arguments}); "
        f"print(code, [name for name in {modules} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_python_m_is_the_command() -> None:
    """`python -m reelstream` is how stages are started."""
    done = subprocess.run(
        [sys.executable, "-m", "reelstream", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"reelstream {__version__}\n"
