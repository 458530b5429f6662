"""Commands that are listed without being imported: `--help` answers at once."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class LazyCommand(TyperCommand):
    """Name and help of a command; `load` imports its function and options."""

    def __init__(self, name: str, function: str, help: str) -> None:  # noqa: A002
        """`function` is `module:function`, below `reelstream.cli`."""
        super().__init__(name, help=help)
        self._function = function

    def load(self) -> Any:
        """The command itself."""
        module, _, function = self._function.partition(":")
        app = typer.Typer(add_completion=False, rich_markup_mode="rich")
        app.command(self.name, help=self.help)(
            getattr(import_module(f"reelstream.cli.{module}"), function)
        )
        return typer.main.get_command(app)


class LazyGroup(TyperGroup):
    """A group that loads the one command which is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the first of `args` names, and the other arguments."""
        # Help lists commands with get_command; only this is called for the one that is to run.
        name, command, others = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, LazyCommand) else command, others

    def each_command(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Every command below this group by its full name, loaded."""
        for name, command in self.commands.items():
            if isinstance(command, LazyGroup):
                yield from command.each_command(f"{prefix}{name} ")
            elif isinstance(command, LazyCommand):
                yield f"{prefix}{name}", command.load()
