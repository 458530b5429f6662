"""Whether a ratings file begins with what was sent of it before: then only rows were appended."""

from __future__ import annotations

import hashlib
from pathlib import Path

from reelstream.files import translate_errors

_BLOCK_BYTES = 1 << 20


def digest_of_beginning(path: Path, size: int) -> str:
    """SHA-256 in hex of the first `size` bytes. Raises StorageError."""
    digest = hashlib.sha256()
    with translate_errors(path), open(path, "rb") as file:
        while size and (block := file.read(min(size, _BLOCK_BYTES))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest()


def end_of_beginning(path: Path, fingerprint: str, size: int | None) -> tuple[int, int] | None:
    """Where the text with this fingerprint ends in the file, and where the row after it begins.

    None when the file does not begin with it, or the last row of it has become longer. Without a
    size every end of a line is tried. Raises StorageError.
    """
    with translate_errors(path):
        file_size = path.stat().st_size
        if size is None:
            size = _found_size(path, fingerprint)
        elif size > file_size or digest_of_beginning(path, size) != fingerprint:
            size = None
        if size is None:
            return None
        with open(path, "rb") as file:
            file.seek(max(size - 1, 0))
            around = file.read(3)
    if around[:1] == b"\n" or size == file_size:
        return size, size
    # Its last line had no end; an editor or `>>` has added one in front of the new rows.
    line_end = next((end for end in (b"\n", b"\r\n") if around[1:].startswith(end)), None)
    return None if line_end is None else (size, size + len(line_end))


def _found_size(path: Path, fingerprint: str) -> int | None:
    """Where the text with this fingerprint ends: after a line end, or before it."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        for line in file:
            text = line.rstrip(b"\r\n")
            for part in (text, line[len(text) :]):
                digest.update(part)
                size += len(part)
                if digest.hexdigest() == fingerprint:
                    return size
    return None
