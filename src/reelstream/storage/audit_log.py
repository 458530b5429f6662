"""The record of who changed what: a line of JSON for each write, appended to one file.

It names no user and no item, so that an erasure need not change it; only the record of an erasure
itself names whom it erased. A write's token says where in the log it lies.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec

from reelstream.files import translate_errors


class AuditLog:
    """A file to which any number of processes append."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, action: str, who: str, *, is_durable: bool = False, **facts: Any) -> None:
        """Append one line; is_durable: and wait until the disk has it. Raises StorageError.

        Args:
            action: What was done: a method and its route, or a command.
            who: The name of a key, or an address.
            is_durable: For what is rare and must not be lost.
            facts: What else is worth knowing.
        """
        line = msgspec.json.encode({"at": time.time(), "who": who, "action": action, **facts})
        with translate_errors(self._path):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # One call: what processes append at once does not mix.
                os.write(descriptor, line + b"\n")
                if is_durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
