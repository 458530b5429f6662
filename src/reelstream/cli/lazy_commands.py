"""Commands that are listed without being imported: `--help` answers at once.

Help is plain text: Rich, which would draw boxes, takes longer to import than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from reelstream.cli.exit_codes import WRONG_USAGE


class LazyCommand(TyperCommand):
    """Name, help and examples of a command; `load` imports its function and options."""

    def __init__(
        self,
        name: str,
        function: str,
        help: str,  # noqa: A002
        examples: Sequence[str],
    ) -> None:
        """`function` is `module:function`, below `reelstream.cli`; `examples` are command lines."""
        super().__init__(name, help=help, epilog=epilog(examples), rich_markup_mode=None)
        self.examples = examples
        self._function = function

    def get_short_help_str(self, limit: int = 45) -> str:
        """The whole help, where a group lists its commands: cut off it says too little."""
        return self.help or ""

    def load(self) -> Any:
        """The command itself."""
        module, _, function = self._function.partition(":")
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(self.name, help=self.help, epilog=self.epilog)(
            getattr(import_module(f"reelstream.cli.{module}"), function)
        )
        return typer.main.get_command(app)


def epilog(examples: Sequence[str]) -> str:
    """Command lines as the end of a help text; each on its own."""
    return "\n".join(["Examples:", "", "\b", *(f"  {line}" for line in examples)])


class LazyGroup(TyperGroup):
    """A group that loads the one command which is called; its help has an example of each."""

    def __init__(self, **attributes: Any) -> None:
        """As typer's group."""
        commands = attributes.get("commands") or []
        if isinstance(commands, list) and commands:
            attributes["epilog"] = epilog([command.examples[0] for command in commands])
        super().__init__(**attributes | {"rich_markup_mode": None})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does; without a command, help on stdout and the code of wrong usage."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit(WRONG_USAGE)
        return super().parse_args(ctx, args)

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
