"""Writes the tables of options and settings in docs/cli.md from their declarations.

`make docs` runs it; with --check it fails when the page is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from reelstream.cli.app import app
from reelstream.settings import Setting, declared_settings

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
# What a phrase of a help text is linked to.
LINKS = {
    "setting of Kafka's client": "kafka.md#settings",
    "What fits the models": "spark.md",
    "one Spark task runs the whole chain": "spark.md#one-task-or-blocks",
    "records that the log has deleted": "delivery.md#the-log",
}


def option_rows(command: Any) -> Iterator[tuple[str, str, str]]:
    """Option, meaning and default of every option of a command."""
    for option in command.params:
        if not option.opts[0].startswith("--"):
            continue
        text, _, default = option.help.partition("  [default: ")
        choices = get_args(option.type_descriptor.annotation)
        metavar = "" if option.is_flag else option.metavar or option.opts[0][2:].upper()
        if not default and option.default is not None and not option.is_flag:
            default = f"{option.default}]"
        yield f"`{f'{option.opts[0]} {metavar}'.strip()}`", meaning(text, choices), default[:-1]


def setting_rows(settings: Iterable[Setting]) -> Iterator[tuple[str, str, str]]:
    """Name, meaning and default of every setting."""
    for setting in settings:
        yield (
            f"`{setting.name}`",
            meaning(setting.help, get_args(setting.type)),
            setting.default or "none",
        )


def meaning(text: str, choices: Iterable[object]) -> str:
    """A help text with its choices and links."""
    named = [f"`{choice}`" for choice in choices if isinstance(choice, str)]
    if named:
        text = f"{text.removesuffix('.')}: {' or '.join(named)}."
    for phrase, target in LINKS.items():
        text = text.replace(phrase, f"[{phrase}]({target})")
    return text


def table(first: str, rows: Iterable[tuple[str, str, str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {first} | meaning | default |", "|---|---|---|"]
    for row in rows:
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines) + "\n"


def with_tables(page: str) -> str:
    """The page with the table in the section of each command, and that of settings, replaced."""
    tables = {
        f"`reelstream {name}`": table("option", option_rows(command))
        for name, command in app.each_command()
    }
    tables["Settings"] = table("setting", setting_rows(declared_settings().values()))
    before, *sections = re.split(r"^(?=## )", page, flags=re.MULTILINE)
    for index, section in enumerate(sections):
        heading = section.partition("\n")[0].removeprefix("## ")
        if heading in tables:
            sections[index] = re.sub(
                r"(^\|.*\n)+",
                lambda _, new=tables[heading]: new,
                section,
                count=1,
                flags=re.MULTILINE,
            )
    return before + "".join(sections)


def main() -> None:
    """Write the page, or with --check compare it."""
    page = PAGE.read_text("utf-8")
    if page == with_tables(page):
        return
    if "--check" in sys.argv[1:]:
        sys.exit(f"{PAGE} is out of date: run `make docs`")
    PAGE.write_text(with_tables(page), "utf-8")


if __name__ == "__main__":
    main()
