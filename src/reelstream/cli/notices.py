"""Sentences for a person, beside a command's answer."""

from __future__ import annotations

import sys


def print_notice(sentence: str) -> None:
    """A sentence on stderr, marked as the program's."""
    print(f"reelstream: {sentence}", file=sys.stderr, flush=True)
