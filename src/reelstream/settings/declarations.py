"""How a setting is declared in a section of the tree, and how declarations are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

# What the name of every environment variable begins with.
PREFIX = "REELSTREAM_"


def setting(
    default: object,
    help: str,  # noqa: A002  (what typer and argparse call it)
    *,
    flag: str | None = None,
    metavar: str | None = None,
    default_text: str | None = None,
    **limits: Any,
) -> Any:
    """Declare a setting in a section of the tree.

    Args:
        default: Its value when nobody sets it.
        help: One line for the command line and the documentation.
        flag: The option that sets it; without one only a file or the environment does.
        metavar: How help and documentation write the option's value.
        default_text: What holds by default, where `default` does not say it.
        limits: `ge`, `gt`, `le` and `lt`, as in pydantic.
    """
    cli: Any = {"flag": flag, "metavar": metavar, "default_text": default_text}
    return Field(default, description=help, json_schema_extra={"cli": cli}, **limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A setting as it is declared."""

    name: str
    """Its dotted name: `batch.rows`."""
    type: Any
    """What its value is: `int`, `float | None`, ..."""
    help: str
    flag: str | None
    metavar: str | None
    minimum: int | None
    maximum: int | None
    default: str | None
    """What holds when nobody sets it; None: nothing."""

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return PREFIX + self.name.upper().replace(".", "_")


def read_declarations(section: type[BaseModel], prefix: str = "") -> Iterator[Setting]:
    """Every setting below a section, in its order."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from read_declarations(inner, f"{name}.")
        else:
            yield _setting_of(prefix + name, field)


def _setting_of(name: str, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra
    # Checked, as pydantic allows a plain default and a function here.
    if not isinstance(extra, dict) or field.description is None:
        raise TypeError(f"declare {name} by setting()")
    cli: Any = extra["cli"]
    limits = {
        key: getattr(each, key)
        for each in field.metadata
        # Not gt and lt: the limits of typer's options are inclusive.
        for key in ("ge", "le")
        if hasattr(each, key)
    }
    return Setting(
        name=name,
        type=field.annotation,
        help=field.description,
        flag=cli["flag"],
        metavar=cli["metavar"],
        minimum=limits.get("ge"),
        maximum=limits.get("le"),
        default=cli["default_text"] or _text_of(field.default),
    )


def _text_of(default: object) -> str | None:
    if isinstance(default, float):
        return f"{default:g}"
    return None if default is None or default == {} else str(default)
