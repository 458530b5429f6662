"""The command line. A command is imported when it is called: `--help` answers at once."""

import sys


def main() -> None:
    """Run one command and end the process with its exit code (see `exit_codes`)."""
    # A stage's guardian is in this package and needs no more.
    from reelstream.cli.app import invoke  # noqa: PLC0415

    sys.exit(invoke(sys.argv[1:]))
