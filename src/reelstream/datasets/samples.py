"""Rows from all over a ratings file: what is found from the values is found from these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from reelstream.datasets.data_file import HEAD_BYTES
from reelstream.datasets.layouts import RatingsFormat, block_lines, split_line
from reelstream.files import translate_errors

# The places, evenly spread over a ratings file, that are looked at.
_SAMPLES = 16


def sampled_rows(path: Path, ratings_format: RatingsFormat) -> Iterator[list[str]]:
    """The cells of rows from 16 places of a file, or of all rows of a small one; rows with another
    number of cells are left out. Raises StorageError.
    """
    with translate_errors(path), open(path, "rb") as file:
        size = file.seek(0, 2)
        for sample in range(_SAMPLES if size > _SAMPLES * HEAD_BYTES else 1):
            file.seek(size // _SAMPLES * sample)
            # One sample is all of a small file; the first and last line of each may be cut, and are
            # left out.
            text = file.read(_SAMPLES * HEAD_BYTES if size <= _SAMPLES * HEAD_BYTES else HEAD_BYTES)
            skipped = 1 if sample else ratings_format.header_lines
            for line in block_lines(text)[skipped:]:
                cells = _cells(line, ratings_format)
                if len(cells) == ratings_format.n_columns:
                    yield cells


def _cells(line: str, ratings_format: RatingsFormat) -> list[str]:
    if not ratings_format.is_json:
        return split_line(line, ratings_format.separator)
    try:
        row = msgspec.json.decode(line, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return []
    values = (row.get(name) for name in ratings_format.names)
    return ["" if value is None else str(value) for value in values]
