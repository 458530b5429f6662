"""Rejected rows as lines that a person reads and edits, and that `rejected requeue` takes back.

    # 0:17: rating 7 is not on the scale 0.5 to 5 in steps of 0.5
    0:17 {"userId":1,"movieId":31,"rating":7,"timestamp":1260759144}

A line is a row's place in the log and its bytes. Lines that begin with # are for the person: the
reason, and rows that cannot be requeued without an edit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from reelstream.errors import SettingError
from reelstream.storage.manifest import RejectedRow
from reelstream.storage.rejected import Place, place_of

# Bytes that are shown of each row of a batch; a row named by its place is shown in full.
MAX_LINE_BYTES = 2_000

# So few digits fit an int32 partition and an int64 offset.
_LINE = re.compile(r"(\d{1,9}):(\d{1,18})\s+(\S.*)")
_PLACE = re.compile(r"(\d{1,9}):(\d{1,18})")


def lines_of(
    rows: Iterable[RejectedRow], requeued: Collection[Place], *, whole: bool = False
) -> Iterator[str]:
    """Two lines a row; `whole` rows are not cut at MAX_LINE_BYTES."""
    for row in rows:
        place = f"{row.partition}:{row.offset}"
        yield f"# {place}: {row.reason}"
        shown = row.raw if whole else row.raw[:MAX_LINE_BYTES]
        text = readable(shown)
        # As comments, so that sending back the whole text sends no row twice or cut short.
        if place_of(row) in requeued:
            yield f"# {place} {text} (requeued)"
        elif len(shown) < len(row.raw):
            yield f"# {place} {text}… ({len(row.raw):,} bytes)"
        elif row.text is None or not text.strip():
            yield f"# {place} {text} ({len(row.raw):,} bytes, no text)"
        else:
            yield f"{place} {text}"


def readable(raw: bytes) -> str:
    """Bytes as one line: line breaks become spaces, what is not printable an escape sequence."""
    text = raw.decode("utf-8", "backslashreplace").translate({10: " ", 13: " "})
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def read_lines(text: str) -> dict[Place, bytes]:
    """Place -> value, of all lines but comments and empty ones. Raises SettingError, naming the
    line.
    """
    found: dict[Place, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise SettingError(
                f"line {number} is not PARTITION:OFFSET and a message: {line[:80]!r}; `reelstream"
                " rejected show` writes such lines"
            )
        place = int(match[1]), int(match[2])
        if place in found:
            raise SettingError(
                f"line {number} names {match[1]}:{match[2]} a second time: leave one of the two"
            )
        found[place] = match[3].encode()
    return found


def read_place(text: str) -> Place | int:
    """A place, or a batch's number. Raises SettingError."""
    if match := _PLACE.fullmatch(text):
        return int(match[1]), int(match[2])
    if text.isdecimal():
        return int(text)
    raise SettingError(
        f"{text!r} is neither a batch's number nor PARTITION:OFFSET: `reelstream rejected list`"
    )
