"""`reelstream inspect`: what a data set is taken for, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.dataset_factories import named_columns, with_id_kinds
from reelstream.cli.exit_codes import DONE
from reelstream.cli.factories import rating_scale
from reelstream.cli.options import IDS, Json
from reelstream.cli.output import print_json, print_table, utc
from reelstream.cli.progress import progress
from reelstream.datasets import detect
from reelstream.datasets.inspection import Inspection
from reelstream.datasets.inspection import inspect as read_all
from reelstream.ratings.events import Rated
from reelstream.ratings.ids import Ids
from reelstream.settings import Settings


@with_settings("data.columns", "data.scale", *IDS)
def inspect(
    settings: Settings,
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="A data set's folder, archive, or ratings file.")
    ],
    film: Annotated[
        str | None, typer.Option(metavar="ID", help="Show this film as it is understood.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Read a data set whole and say what it is taken for."""
    dataset = with_id_kinds(detect(data, named_columns(settings.data)), settings.data)
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings.data))
    with progress(f"reading {dataset.name}") as on_progress:
        found = read_all(dataset, film, on_progress)
    if as_json:
        answer = msgspec.to_builtins(found)
        del answer["first_rows"]
        print_json(answer)
    else:
        _print(found, film, dataset.ids)
    return DONE


def _print(found: Inspection, film_id: str | None, ids: Ids) -> None:
    scale, films = found.scale, found.films
    lines = [("layout", found.layout), *found.files.items()]
    lines += [(f"{role} column", name or "none") for role, name in found.columns.items()]
    lines += [
        ("scale", f"{scale.lowest:g} to {scale.highest:g} in steps of {scale.step:g}"),
        ("liked from", f"{scale.like_threshold:g}"),
        ("rows", f"{found.rows:,}: {found.accepted:,} accepted, {found.rejected:,} rejected"),
        ("users, items", f"{found.users:,}, {found.items:,}"),
    ]
    if found.first is not None and found.last is not None:
        lines.append(("times", f"{utc(found.first)} to {utc(found.last)}, UTC"))
    lines.append(
        (
            "films",
            f"{films.total:,}: {films.titled:,} with a title, {films.with_year:,} with a year, "
            f"{films.with_genres:,} with genres; {films.skipped:,} rows skipped",
        )
    )
    if film_id is not None:
        known = (found.film or {}).items()
        shown = ", ".join(f"{name} {value}" for name, value in known) or "not in the catalogue"
        lines.append((f"film {film_id}", shown))
    lines += [("note", note) for note in found.notes]
    print_table(["", "taken for"], lines)
    ratings = [each for each in found.first_rows if isinstance(each, Rated)]
    print_table(
        ["user", "item", "rating", "time, UTC"],
        [
            (
                str(ids.user.show(rated.user_id)),
                str(ids.item.show(rated.item_id)),
                f"{rated.rating:g}",
                utc(rated.timestamp),
            )
            for rated in ratings
        ],
        title="first ratings",
    )
    if found.reasons:
        print_table(
            ["reason, of the first", "rows", "first line"],
            [(each.reason, each.rows, each.first_line) for each in found.reasons],
            title="rejected",
        )
