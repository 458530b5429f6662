"""The command line. Commands import what they need when they are called: `--help` answers at
once.
"""

import sys


def main() -> None:
    """Run one command and end the process: exit code 0 done, 1 a failed check or work, 2 wrong
    usage.
    """
    from reelstream.cli.app import invoke  # noqa: PLC0415  (a stage's guardian is in this package and needs no more)

    sys.exit(invoke(sys.argv[1:]))
