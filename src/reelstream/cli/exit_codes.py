"""What a command's exit code says."""

DONE = 0
FAILED = 1
"""A check failed, or work could not be done."""
WRONG_USAGE = 2
INTERRUPTED = 130
"""As shells count a Ctrl-C."""
