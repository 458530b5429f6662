"""How a command answers: a table or a sentence for a person, or one line of JSON for a program."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table


def print_json(value: object) -> None:
    """`value` as one line of JSON on stdout."""
    typer.echo(msgspec.json.encode(value, enc_hook=str).decode())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None
) -> None:
    """A table on stdout; numbers to the right, None as a dash."""
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        # Narrow: tables with eight columns are to fit into a terminal of 80.
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console().print(table)


def utc(seconds: float) -> str:
    """A time in seconds since 1970 as date and time, UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        # Before int: a bool is an int as well.
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
