"""The application, and what becomes of an error: one sentence on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, cast

import typer
from typer.exceptions import TyperException

from reelstream import __version__
from reelstream.cli.commands import COMMANDS
from reelstream.cli.exit_codes import DONE, FAILED, INTERRUPTED, WRONG_USAGE
from reelstream.cli.lazy_commands import LazyGroup, epilog
from reelstream.cli.notices import print_notice
from reelstream.errors import InputError, ReelstreamError

DEBUG_VARIABLE = "REELSTREAM_DEBUG"
# A help text is as wide as the terminal, up to here.
HELP_COLUMNS = 100
# What a person tries first.
FIRST_COMMANDS = (
    "reelstream demo              # a stream, models and the page, from nothing",
    "reelstream run --data DIR    # the same with your ratings",
    "reelstream doctor            # what is missing on this machine",
)


def _version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"reelstream {__version__}")
        raise typer.Exit()


def _main(
    debug: Annotated[
        bool, typer.Option("--debug", envvar=DEBUG_VARIABLE, help="Show the traceback of an error.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    # A variable, not a parameter: the error is explained outside of typer's call.
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"  # the stages that `run` starts show theirs too

    # Only now: structlog takes as long to import as --help may take in all.
    from reelstream.telemetry import LOG_FORMAT_VARIABLE, configure_logs  # noqa: PLC0415

    configure_logs(os.environ.get(LOG_FORMAT_VARIABLE))


def _build_app() -> LazyGroup:
    application = typer.Typer(
        cls=LazyGroup,
        help="Ratings arrive as a stream; each closed batch trains a model set; an API answers "
        "from the newest.",
        epilog=epilog(FIRST_COMMANDS),
        rich_markup_mode=None,
        context_settings={"max_content_width": HELP_COLUMNS},
    )
    application.callback()(_main)
    group = cast(LazyGroup, typer.main.get_command(application))
    for command in COMMANDS:
        group.add_command(command)
    return group


app = _build_app()


def invoke(arguments: Sequence[str]) -> int:
    """Run the command in `arguments` and return its exit code."""
    try:
        # Not standalone: typer would print errors its own way and end the process.
        return app(args=list(arguments), prog_name="reelstream", standalone_mode=False) or DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader has closed its end: there is nothing to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # a person gets one sentence, whatever it is
        if os.environ.get(DEBUG_VARIABLE) == "1":
            traceback.print_exception(error)
        sentence, exit_code = _explain(error)
        if sentence:
            print_notice(" ".join(sentence.split()))
        return exit_code


def _explain(error: Exception) -> tuple[str, int]:
    match error:
        case TyperException():
            return error.format_message(), WRONG_USAGE
        case InputError():
            return str(error), WRONG_USAGE
        case ReelstreamError():
            return str(error), FAILED
        case _:
            kind = type(error).__name__
            what = f"{kind}: {error}" if str(error) else kind
            return f"unexpected {what} ({DEBUG_VARIABLE}=1 shows where)", FAILED
