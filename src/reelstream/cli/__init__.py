"""The command line. A command is imported when it is called: `--help` answers at once."""

import sys

from reelstream.compute.native_threads import limit_native_threads


def main() -> None:
    """Run one command and end the process with its exit code (see `exit_codes`)."""
    # A stage's guardian is in this package and needs no more.
    from reelstream.cli.app import invoke  # noqa: PLC0415

    limit_native_threads()
    sys.exit(invoke(sys.argv[1:]))
