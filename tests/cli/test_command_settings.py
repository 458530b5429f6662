"""Options are derived from the settings' declarations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from reelstream.cli.app import app
from reelstream.cli.command_settings import with_settings
from reelstream.errors import SettingError
from reelstream.settings import Settings, declared_settings

DECLARED = declared_settings()


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def call(command: Callable[..., int], *arguments: str) -> None:
    """Run a command as the command line does; its errors are the caller's."""
    application = typer.Typer()
    application.command()(command)
    result = CliRunner().invoke(application, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output


def test_a_command_gets_the_settings_from_flags_and_file() -> None:
    """A flag that is not given leaves the setting to the other places."""
    found: list[Settings] = []

    @with_settings("batch.rows", "batch.seconds", "work")
    def command(settings: Settings) -> int:
        found.append(settings)
        return 0

    Path("other.toml").write_text("[batch]\nrows = 3\nseconds = 4.0\n")
    call(command, "--batch-rows", "7", "--config", "other.toml")
    [settings] = found
    assert (settings.batch.rows, settings.batch.seconds, settings.work) == (7, 4.0, Path("work"))


def test_settings_with_the_same_flag_share_one_option() -> None:
    """`--host` of a run counts for API and page; a command may name a flag otherwise."""
    found: list[Settings] = []

    @with_settings("serve.host", "ui.host", "ui.port", flags={"ui.port": "--port"})
    def command(settings: Settings) -> int:
        found.append(settings)
        return 0

    call(command, "--host", "::", "--port", "9")
    [settings] = found
    assert (settings.serve.host, settings.ui.host, settings.ui.port) == ("::", "::", 9)


def test_names_and_values_make_a_dictionary() -> None:
    """The option may be repeated, and a value may hold a `=`; a text without one is refused."""
    found: list[Settings] = []

    @with_settings("kafka")
    def command(settings: Settings) -> int:
        found.append(settings)
        return 0

    call(command, "--kafka", "sasl.username=me", "--kafka", "sasl.password=a=b")
    assert found[0].kafka == {"sasl.username": "me", "sasl.password": "a=b"}
    for wrong in ("acks", "=1"):
        with pytest.raises(SettingError, match="--kafka"):
            call(command, "--kafka", wrong)


@dataclass(frozen=True, kw_only=True)
class _Size:
    users: Annotated[int, typer.Option(help="How many users.")] = 1
    items: Annotated[int, typer.Option(help="How many items.")] = 2


def test_the_fields_of_a_dataclass_are_options() -> None:
    """They come back as one."""
    found: list[_Size] = []

    @with_settings("work")
    def command(settings: Settings, size: _Size) -> int:
        found.append(size)
        return 0

    call(command, "--items", "5")
    assert found == [_Size(users=1, items=5)]


def test_a_setting_without_a_flag_is_no_option() -> None:
    """A slip in a list of names is found when the command is defined."""
    with pytest.raises(ValueError, match=r"data\.cache"):
        with_settings("data.cache")


@pytest.mark.parametrize("name", [name for name, each in DECLARED.items() if each.flag])
def test_each_declared_flag_is_an_option_of_some_command(name: str) -> None:
    """With the help, metavar, limits and default of the declaration."""
    setting = DECLARED[name]
    options: list[Any] = [
        option
        for _, command in app.each_command()
        for option in command.params
        if setting.flag in option.opts and option.help.startswith(setting.help)
    ]
    assert options
    for option in options:
        assert (option.metavar, option.min, option.max) == (
            setting.metavar,
            setting.minimum,
            setting.maximum,
        )
        assert setting.default is None or option.help.endswith(f"[default: {setting.default}]")
