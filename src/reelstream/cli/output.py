"""How a command answers: a table or a sentence for a person, or one line of JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import typer


def print_json(value: object) -> None:
    """`value` as one line of JSON on stdout."""
    import msgspec  # noqa: PLC0415

    typer.echo(msgspec.json.encode(value, enc_hook=str).decode())


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None
) -> None:
    """A table on stdout; numbers to the right, None as a dash."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title, title_justify="left", header_style="bold")
    rows = [list(row) for row in rows]
    for place, column in enumerate(columns):
        numeric = all(isinstance(row[place], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console().print(table)


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4f}"
        case int():
            return f"{value:,}"
        case _:
            return str(value)
