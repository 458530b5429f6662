"""The options of commands: those of settings, derived from their declarations, and a few others.

    @with_settings("work", "train.keep")
    def prune(settings: Settings, as_json: Json = False) -> int: ...

gives a command with `--work`, `--keep`, `--config` and `--json`, which is called with the settings
from all their places.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_origin, get_type_hints

import typer

from reelstream.errors import SettingError
from reelstream.settings import Setting, Settings, declared_settings, load

P = ParamSpec("P")

Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A settings file.  \\[default: reelstream.toml, if it is here]"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
SetNumber = Annotated[int, typer.Argument(metavar="N", help="The model set's number.")]
AcceptLoss = Annotated[
    bool,
    typer.Option(
        "--accept-loss", help="Continue after records that the log has deleted, and note the loss."
    ),
]


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
    declared = declared_settings()
    by_flag: dict[str, list[Setting]] = {}
    for name in names:
        flag = (flags or {}).get(name) or declared[name].flag or ""
        by_flag.setdefault(flag, []).append(declared[name])

    def decorate(function: Callable[Concatenate[Settings, P], int]) -> Callable[..., int]:
        call: Callable[..., int] = function
        own = _own_parameters(function)
        groups: dict[str, Any] = {
            name: each.annotation for name, each in own.items() if is_dataclass(each.annotation)
        }

        def command(*, config: Path | None, **given: Any) -> int:
            values: dict[str, Any] = {}
            for flag, (first, *others) in by_flag.items():
                value = _value(given.pop(_parameter(first)), flag)
                values.update({each.name: value for each in (first, *others)})
            for name, group in groups.items():
                given[name] = group(**{each.name: given.pop(each.name) for each in fields(group)})
            return call(load(config, values), **given)

        derived = {_parameter(first): _option(first, flag) for flag, (first, *_) in by_flag.items()}
        parameters = [
            *(_keyword(name, annotation, None) for name, annotation in derived.items()),
            *(option for each in own.values() for option in _expanded(each)),
            _keyword("config", Config, None),
        ]
        parameters.sort(key=lambda each: each.name == "as_json")
        command.__annotations__ = {each.name: each.annotation for each in parameters}
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _own_parameters(function: Callable[..., int]) -> dict[str, inspect.Parameter]:
    """What a function takes beside the settings, its annotations evaluated."""
    hints = get_type_hints(function, include_extras=True)
    _, *own = inspect.signature(function).parameters.values()
    return {each.name: _keyword(each.name, hints[each.name], each.default) for each in own}


def _expanded(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameter, or those of a dataclass's fields."""
    if not is_dataclass(parameter.annotation):
        return [parameter]
    hints = get_type_hints(parameter.annotation, include_extras=True)
    return [
        _keyword(each.name, hints[each.name], each.default) for each in fields(parameter.annotation)
    ]


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _parameter(setting: Setting) -> str:
    return setting.name.replace(".", "_")


def _option(setting: Setting, flag: str) -> Any:
    """The annotation from which typer makes the option."""
    default = "" if setting.default is None else f"  \\[default: {setting.default}]"
    option = typer.Option(
        flag,
        metavar=setting.metavar,
        help=setting.help + default,
        min=setting.minimum,
        max=setting.maximum,
    )
    kind = list[str] if get_origin(setting.type) is dict else setting.type
    return Annotated[kind | None, option]


def _value(given: Any, flag: str) -> Any:
    """The value of an option, `NAME=VALUE` texts as a dictionary. Raises SettingError."""
    if not isinstance(given, list):
        return given
    pairs = [text.partition("=") for text in given]
    for name, equals, value in pairs:
        if not name or not equals:
            raise SettingError(f"{flag} {name + equals + value!r}: write NAME=VALUE")
    return {name: value for name, _, value in pairs} or None
