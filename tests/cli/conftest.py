"""A command run in this process, and a work folder that has been through every stage."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Answer, Command

from reelstream.cli.app import invoke


@pytest.fixture
def command(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs `reelstream` with these arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Answer:
        capfd.readouterr()
        code = invoke([str(argument) for argument in arguments])
        output = capfd.readouterr()
        return Answer(code, output.out, output.err)

    return run


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory, small_dataset: Path) -> Path:
    """A work folder with two batches of a small data set and a model set of each; tests copy it."""
    work = tmp_path_factory.mktemp("trained") / "work"
    for arguments in (
        ["produce", "--data", small_dataset, "--work", work],
        ["batch", "--once", "--batch-rows", 1500, "--work", work],
        ["train", "--work", work],
    ):
        code = invoke([str(argument) for argument in arguments])
        assert code == 0, arguments
    return work
