"""What help and completion of the shell promise."""

from __future__ import annotations

import shlex

import pytest
from command_line import Command

from reelstream.cli.app import app, invoke

COMMANDS = dict(app.each_command())
LISTED = sorted({*COMMANDS, *(name.split()[0] for name in COMMANDS)})


@pytest.mark.parametrize("name", LISTED)
def test_every_help_has_examples_that_are_commands(command: Command, name: str) -> None:
    """Each is a command that exists, with options that it takes and no more; it is parsed, not
    run.
    """
    answer = command(*name.split(), "--help")
    assert answer.code == 0
    _, _, examples = answer.out.partition("Examples:")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    for line in lines:
        words = shlex.split(line.partition(">")[0], comments=True)
        assert words[0] == "reelstream"
        called = next(each for each in (" ".join(words[1:3]), words[1]) if each in COMMANDS)
        assert called.startswith(name)
        COMMANDS[called].make_context(called, words[1 + len(called.split()) :])


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("reelstream de", {"demo"}),
        ("reelstream models a", {"activate"}),
        ("reelstream run --until", {"--until-set"}),
        ("reelstream run --engine ", {"local", "spark"}),
    ],
)
def test_the_shell_completes_commands_options_and_choices(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    offered: set[str],
) -> None:
    """As bash asks for it, by variables of the environment."""
    monkeypatch.setenv("_REELSTREAM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split(" ")) - 1))
    with pytest.raises(SystemExit):
        invoke([])
    assert set(capfd.readouterr().out.split()) == offered


def test_completion_is_installed_by_one_option(command: Command) -> None:
    """The help names it."""
    assert "--install-completion" in command("--help").out
