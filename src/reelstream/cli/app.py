"""The commands in one application, and what becomes of an error: one sentence on stderr and an exit
code.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from reelstream import __version__
from reelstream.cli import (
    audit,
    batches,
    evaluate,
    forget,
    models,
    rejected,
    run,
    serving,
    simulate,
    status,
    stream,
    train,
)
from reelstream.cli.exit_codes import DONE, FAILED, INTERRUPTED, WRONG_USAGE
from reelstream.cli.opening import say
from reelstream.errors import InputError, ReelstreamError

DEBUG_VARIABLE = "REELSTREAM_DEBUG"

app = typer.Typer(
    name="reelstream",
    help=(
        "Ratings arrive as a stream; each closed batch trains a model set; an API answers from the"
        " newest."
    ),
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
)
for command in (
    run.run,
    stream.produce,
    stream.batch,
    train.train,
    serving.serve,
    serving.ui,
    status.status,
    audit.audit,
    forget.forget,
    evaluate.evaluate,
    simulate.simulate,
):
    app.command()(command)
app.add_typer(models.app, name="models")
app.add_typer(batches.app, name="batches")
app.add_typer(rejected.app, name="rejected")


def _version(asked: bool) -> None:
    if asked:
        print(f"reelstream {__version__}")
        raise typer.Exit()


@app.callback()
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
    if debug:
        os.environ[DEBUG_VARIABLE] = "1"  # the stages that `run` starts show theirs too

    from reelstream.telemetry import LOG_FORMAT_VARIABLE, configure_logs  # noqa: PLC0415

    configure_logs(os.environ.get(LOG_FORMAT_VARIABLE))


def invoke(arguments: Sequence[str]) -> int:
    """Run the command in `arguments` and return its exit code."""
    try:
        return app(args=list(arguments), prog_name="reelstream", standalone_mode=False) or DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # the reader has gone: nothing to flush to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:  # whatever it is, a person reads it
        if os.environ.get(DEBUG_VARIABLE) == "1":
            traceback.print_exception(error)
        sentence, exit_code = _explain(error)
        if sentence:
            say(" ".join(sentence.split()))
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
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return f"unexpected {what} ({DEBUG_VARIABLE}=1 shows where)", FAILED
