"""Makes commands of functions that take the settings, with options derived from declarations.

    @with_settings("work", "train.keep")
    def prune(settings: Settings, as_json: Json = False) -> int: ...

gives a command with `--work`, `--keep`, `--config` and `--json`. It calls the function with the
settings from flags, environment and file.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_origin, get_type_hints

import typer

from reelstream.cli.options import Config
from reelstream.errors import SettingError
from reelstream.settings import Setting, Settings, declared_settings, load

P = ParamSpec("P")


def with_settings(
    *names: str, flags: Mapping[str, str] | None = None
) -> Callable[[Callable[Concatenate[Settings, P], int]], Callable[..., int]]:
    """Make a function that takes the settings first into a command with options for these settings.

    The command has `--config` besides, and an option for each other parameter of the function and
    for each field of a parameter that is a dataclass.

    Args:
        names: Dotted names of settings. Those declared with the same flag share one option.
        flags: Other flags than the declared ones, by dotted name.
    """
    options = _setting_options(names, flags or {})

    def decorate(function: Callable[Concatenate[Settings, P], int]) -> Callable[..., int]:
        call: Callable[..., int] = function
        own = _own_parameters(function)

        def command(*, config: Path | None, **given: Any) -> int:
            values: dict[str, Any] = {}
            for option in options:
                values |= option.values(given.pop(option.parameter))
            return call(load(config, values), **_collected(own, given))

        expanded = [option for parameter in own for option in _expanded(parameter)]
        derived = [_keyword(option.parameter, option.annotation(), None) for option in options]
        _sign(command, [*derived, *expanded, _keyword("config", Config, None)])
        return command

    return decorate


@dataclass(frozen=True, kw_only=True, slots=True)
class _SettingOption:
    """The option that sets one setting, or several to the same value."""

    flag: str
    settings: list[Setting]

    @property
    def parameter(self) -> str:
        return self.settings[0].name.replace(".", "_")

    def annotation(self) -> Any:
        """The annotation from which typer makes the option."""
        first = self.settings[0]
        default = "" if first.default is None else f"  [default: {first.default}]"
        option = typer.Option(
            self.flag,
            metavar=first.metavar,
            help=first.help + default,
            min=first.minimum,
            max=first.maximum,
        )
        # None as the default tells that a flag was not given, so that other places count.
        kind = list[str] if get_origin(first.type) is dict else first.type
        return Annotated[kind | None, option]

    def values(self, given: Any) -> dict[str, Any]:
        """The settings' values; `NAME=VALUE` texts make a dictionary. Raises SettingError."""
        if isinstance(given, list):
            pairs = [text.partition("=") for text in given]
            for text, (name, equals, _) in zip(given, pairs, strict=True):
                if not name or not equals:
                    raise SettingError(f"{self.flag} {text!r}: write NAME=VALUE")
            given = {name: value for name, _, value in pairs} or None
        return {setting.name: given for setting in self.settings}


def _setting_options(names: Iterable[str], flags: Mapping[str, str]) -> list[_SettingOption]:
    declared = declared_settings()
    by_flag: dict[str, list[Setting]] = {}
    for name in names:
        flag = flags.get(name) or declared[name].flag
        if flag is None:
            raise ValueError(f"{name} is declared without a flag")
        by_flag.setdefault(flag, []).append(declared[name])
    return [_SettingOption(flag=flag, settings=settings) for flag, settings in by_flag.items()]


def _own_parameters(function: Callable[..., int]) -> list[inspect.Parameter]:
    """What a function takes beside the settings, its annotations evaluated."""
    # Evaluated now, in the function's own module: typer would look their names up in this one,
    # where `command` is defined.
    hints = get_type_hints(function, include_extras=True)
    _, *own = inspect.signature(function).parameters.values()
    return [_keyword(each.name, hints[each.name], each.default) for each in own]


def _expanded(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameter, or those of a dataclass's fields."""
    group = parameter.annotation
    if not is_dataclass(group):
        return [parameter]
    hints = get_type_hints(group, include_extras=True)
    return [_keyword(each.name, hints[each.name], each.default) for each in fields(group)]


def _collected(own: Iterable[inspect.Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for a function's own parameters, dataclasses made of their fields."""
    arguments: dict[str, Any] = dict(given)
    for parameter in own:
        group: Any = parameter.annotation
        if is_dataclass(parameter.annotation):
            names = [each.name for each in fields(group)]
            arguments[parameter.name] = group(**{name: arguments.pop(name) for name in names})
    return arguments


def _sign(command: Callable[..., int], parameters: list[inspect.Parameter]) -> None:
    """Give `command` the signature that typer reads; `--json` comes last in its help."""
    # A stable sort: the others stay in the order of their declaration.
    parameters.sort(key=lambda each: each.name == "as_json")
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )
