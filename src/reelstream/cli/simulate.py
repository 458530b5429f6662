"""`reelstream simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reelstream.cli.dataset_factories import SimulatedSize
from reelstream.cli.exit_codes import DONE
from reelstream.cli.options import Json
from reelstream.cli.output import print_json
from reelstream.cli.progress import progress
from reelstream.datasets import simulate as write

_DEFAULT = SimulatedSize()


def simulate(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The folder to write into; it must be empty or not exist."
        ),
    ],
    users: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many users.")
    ] = _DEFAULT.users,
    items: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many films.")
    ] = _DEFAULT.items,
    ratings: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many ratings.")
    ] = _DEFAULT.ratings,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="The same seed makes the same files.")
    ] = _DEFAULT.seed,
    as_json: Json = False,
) -> int:
    """Write a simulated data set."""
    with progress("simulating ratings") as on_progress:
        write(
            out,
            users=users,
            items=items,
            ratings=ratings,
            seed=seed,
            on_progress=lambda done: on_progress(done, ratings),
        )
    if as_json:
        print_json(
            {"folder": out, "users": users, "items": items, "ratings": ratings, "seed": seed}
        )
    else:
        typer.echo(
            f"{ratings:,} simulated ratings of {items:,} films by {users:,} users are in {out}"
        )
    return DONE
