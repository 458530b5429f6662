"""The exit codes of commands."""

DONE = 0
# A check failed, or work could not be done.
FAILED = 1
WRONG_USAGE = 2
# What shells report after Ctrl-C: 128 and the number of SIGINT.
INTERRUPTED = 130
