"""`reelstream models rebuild`."""

from __future__ import annotations

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE, FAILED
from reelstream.cli.notices import print_notice
from reelstream.cli.options import ENGINE, Json, SetNumber
from reelstream.cli.output import print_json
from reelstream.cli.progress import busy
from reelstream.settings import Settings


@with_settings("work", *ENGINE)
def rebuild(settings: Settings, number: SetNumber, as_json: Json = False) -> int:
    """Make a set again and compare; exit code 1 when a file differs."""
    # As for `train`: help and a wrong flag need not wait for what fits.
    from reelstream.cli.training_factories import rebuild_set  # noqa: PLC0415

    with busy(f"fitting model set {number} again"):
        different = rebuild_set(settings, number)
    if as_json:
        print_json({"number": number, "identical": not different, "different": different})
    elif not different:
        typer.echo(f"model set {number} comes out bit for bit the same")
    for name in different:
        print_notice(
            f"{name} comes out differently: compare the versions in "
            f"`reelstream models show {number} --json`"
        )
    return FAILED if different else DONE
