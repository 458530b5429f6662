"""The exit codes of commands."""

DONE = 0
FAILED = 1
"""A check failed, or work could not be done."""
WRONG_USAGE = 2
INTERRUPTED = 130
"""What shells report after Ctrl-C: 128 and the number of SIGINT."""
