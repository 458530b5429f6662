"""`reelstream doctor`: what is missing on this machine, and what to do about it."""

from __future__ import annotations

import typer
from rich.console import Console

from reelstream.cli.checks import Finding, findings
from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.options import DATA, LOG, Json
from reelstream.cli.output import print_json
from reelstream.settings import Settings

_MARKS = {"ok": ("✓", "green"), "note": ("–", "yellow"), "fault": ("✗", "red")}


@with_settings("work", *DATA, *LOG, "serve.host", "serve.port", "ui.port")
def doctor(settings: Settings, as_json: Json = False) -> int:
    """Print what each check found; exit code 1 when one found a fault."""
    found = findings(settings)
    faults = sum(each.verdict == "fault" for each in found)
    if as_json:
        print_json({"faults": faults, "findings": [each._asdict() for each in found]})
    else:
        _print(found)
        typer.echo(f"{faults} to mend" if faults else "nothing stops a run")
    return FAILED if faults else DONE


def _print(found: list[Finding]) -> None:
    console = Console(highlight=False)
    width = max(len(each.check) for each in found)
    for each in found:
        mark, colour = _MARKS[each.verdict]
        # Not markup: a path may have brackets.
        console.print(mark, style=colour, end=" ")
        console.print(f"{each.check:<{width}}  {each.found}", markup=False, soft_wrap=True)
        if each.fix:
            console.print(f"{'':<{width + 2}}  {each.fix}", markup=False, soft_wrap=True)
