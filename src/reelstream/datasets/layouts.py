"""How the ratings in a file are written, recognised by the file's content."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from reelstream.datasets.data_file import HEAD_BYTES
from reelstream.datasets.headers import HOW_TO_NAME, RATING_ROLES, ColumnNames, FoundColumns
from reelstream.errors import RatingError
from reelstream.ratings.values import read_time

# In the order in which they are tried.
SEPARATORS: Final = ("::", "\t", ",", ";", "|", " ")
# Between these, quotes hold a cell together, as in CSV.
QUOTING_SEPARATORS: Final = ",;\t|"

_NUMBER = re.compile(r"\s*[+-]?[0-9]+(\.[0-9]*)?\s*")
_COMMA_NUMBER = re.compile(r"\s*[+-]?[0-9]+([.,][0-9]*)?\s*")
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# Milliseconds from 1973 to 2286; more digits count a smaller unit.
_LARGE_TIME = re.compile(r"\s*[0-9]{12,13}(\.[0-9]*)?\s*")
_MAX_NAME_CHARACTERS = 60
_MAX_PREAMBLE_LINES = 20
_NEEDED = ("user", "item", "rating")


@dataclass(frozen=True, slots=True, kw_only=True)
class RatingsFormat:
    """How the rows of a ratings file are written."""

    separator: str
    """One of SEPARATORS; empty for lines of JSON."""
    n_columns: int = 4
    user: int = 0
    """Number of the column with the user's id; so the next three."""
    item: int = 1
    rating: int = 2
    timestamp: int | None = 3
    """None where no column has times."""
    names: tuple[str, ...] = ()
    """What the header, or the first line of JSON, calls the columns; empty without a header."""
    header_lines: int = 0
    """Down to the header: 0 without one; blank lines, comments and Excel's `sep=` count too."""
    mark_bytes: int = 0
    """Length of the UTF-8 byte order mark in front of the first line: 0 or 3."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the columns were found."""

    @property
    def is_json(self) -> bool:
        """Whether each line is an object of JSON."""
        return not self.separator

    @property
    def has_decimal_commas(self) -> bool:
        """Whether a rating may be written `3,5`."""
        return self.separator not in (",", "")

    def column_names(self) -> dict[str, str | None]:
        """What each column is called, by role; its number, from 1, where there is no header."""
        places = {role: getattr(self, role) for role in RATING_ROLES}
        return {
            role: None if place is None else self.names[place] if self.names else str(place + 1)
            for role, place in places.items()
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file is not read, although its first line names columns."""

    reason: str
    """Follows the file's name in a sentence."""
    is_meant: bool
    """Whether the file looks as if ratings were in it."""


def recognise_ratings(head: bytes, columns: ColumnNames) -> RatingsFormat | Refusal | None:
    """The format of a ratings file that begins with `head`; None when its content is something
    else.

    A header that names the columns decides. Without a header at least half of the lines have to
    look like ratings, so that broken rows do not hide what the file is.
    """
    mark = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    lines = head_lines(head)
    excel = _EXCEL_SEPARATOR.fullmatch(lines[0]) if lines else None
    separators = (excel[1],) if excel else SEPARATORS
    lines = lines[int(excel is not None) :]
    lines = lines[_lines_before_header(lines, columns, separators) :]
    if not lines:
        return None
    skipped = _lines_above(head, lines[0])
    if lines[0].startswith("{"):
        return _recognise_json(lines[0], columns, mark)
    if lines[0].lstrip().startswith(("[{", "[ {")) or lines[:2] == ["[", "{"]:
        return Refusal("is one list of JSON: write one object on each line", is_meant=True)
    in_cells = {each: columns.find(split_line(lines[0], each), RATING_ROLES) for each in separators}
    # All needed names between other separators than spaces are no prose: such a header counts
    # even if every row below it is broken.
    found = {
        each: names
        for each, names in in_cells.items()
        if is_header(lines, each) or (each != " " and names.places.keys() >= set(_NEEDED))
    }
    # Of several, the one that finds the most: a cell may hold other separators.
    separator = max(found, key=lambda each: len(found[each].places), default="")
    if separator and found[separator].places and not columns.by_number:
        names = split_line(lines[0], separator)
        return _from_header(names, found[separator], columns, separator, skipped + 1, mark)
    for each in separators:
        if recognised := _from_positions(lines, columns, each, skipped, mark):
            return recognised
    return None


def _lines_before_header(
    lines: Sequence[str], columns: ColumnNames, separators: Iterable[str]
) -> int:
    """How many lines of a preamble, such as comments, stand above a header with all needed names.

    Read by position below a preamble, columns that the header names otherwise would be swapped.
    """
    for place, line in enumerate(lines[:_MAX_PREAMBLE_LINES]):
        for separator in separators:
            found = columns.find(split_line(line, separator), _NEEDED)
            if separator != " " and found.places.keys() >= set(_NEEDED):
                return place
    return 0


def _lines_above(head: bytes, line: str) -> int:
    """How many lines, blank ones too, stand above the first that reads so."""
    return block_lines(head.removeprefix(codecs.BOM_UTF8)).index(line)


def _recognise_json(line: str, columns: ColumnNames, mark: int) -> RatingsFormat | Refusal | None:
    try:
        names = list(msgspec.json.decode(line, type=dict[str, object]))
    except msgspec.MsgspecError:
        return None
    found = columns.find(names, RATING_ROLES)
    return _from_header(names, found, columns, "", 0, mark) if found.places else None


def counts_milliseconds(head: bytes, layout: RatingsFormat) -> bool:
    """Whether most of the times at the beginning of a file are numbers of milliseconds."""
    if layout.timestamp is None:
        return False
    cells = []
    for line in head_lines(head)[layout.header_lines :]:
        if layout.is_json:
            with suppress(msgspec.MsgspecError):
                row = msgspec.json.decode(line, type=dict[str, object])
                cells.append(str(row.get(layout.names[layout.timestamp])))
        elif len(row_cells := split_line(line, layout.separator)) == layout.n_columns:
            cells.append(row_cells[layout.timestamp])
    found = [_LARGE_TIME.fullmatch(cell) is not None for cell in cells]
    return sum(found) > len(found) / 2


def _from_header(
    names: Sequence[str],
    found: FoundColumns,
    columns: ColumnNames,
    separator: str,
    header_lines: int,
    mark: int,
) -> RatingsFormat | Refusal:
    missing = [role for role in (*_NEEDED, *columns.given) if role not in found.places]
    missing = [role for role in dict.fromkeys(missing) if role in RATING_ROLES]
    if missing:
        is_meant = {"user", "rating"} <= found.places.keys() or bool(columns.given)
        return Refusal(_refused(names, missing), is_meant)
    notes = found.notes
    if "timestamp" not in found.places:
        notes = (
            *notes,
            "no column has times: all ratings get one fixed time, and moods and drift are off",
        )
    return RatingsFormat(
        separator=separator,
        n_columns=len(names),
        user=found.places["user"],
        item=found.places["item"],
        rating=found.places["rating"],
        timestamp=found.places.get("timestamp"),
        names=tuple(name.strip() for name in names),
        header_lines=header_lines,
        mark_bytes=mark,
        notes=notes,
    )


def _from_positions(
    lines: Sequence[str], columns: ColumnNames, separator: str, skipped: int, mark: int
) -> RatingsFormat | Refusal | None:
    rows = [split_line(line, separator) for line in lines]
    positions = columns.positions(len(rows[0]))
    places = (positions.get(role) for role in RATING_ROLES)
    user, item, rating, timestamp = places if columns.by_number else (0, 1, 2, 3)
    if user is None or item is None or rating is None:
        return None
    n_columns = len(rows[0]) if columns.by_number else 4
    layout = RatingsFormat(
        separator=separator,
        n_columns=n_columns,
        user=user,
        item=item,
        rating=rating,
        timestamp=timestamp,
        header_lines=skipped,
        mark_bytes=mark,
        notes=() if columns.by_number else ("no header: user, item, rating and time by position",),
    )
    n_ratings = sum(_looks_like_rating(row, layout) for row in rows)
    # A header in other words than the known ones: cells without a number above rows of numbers.
    number = _COMMA_NUMBER if layout.has_decimal_commas else _NUMBER
    has_header = len(rows[0]) >= 3 and all(rows[0]) and not any(map(number.fullmatch, rows[0]))
    if n_ratings and 2 * n_ratings >= len(rows) - has_header:
        if not has_header:
            return layout
        if columns.by_number:
            return replace(layout, names=tuple(rows[0]), header_lines=skipped + 1)
    # Rows of three numbers or more under unknown names are ratings most likely: then a refusal that
    # asks for the names helps more than silence.
    if has_header and _are_numbers(rows, number):
        return Refusal(_refused(rows[0], _NEEDED), is_meant=True)
    return None


def _are_numbers(rows: Sequence[Sequence[str]], number: re.Pattern[str]) -> bool:
    """Whether at least half of the rows below the first have as many cells, three of them
    numbers.
    """
    n_numbers = sum(
        len(row) == len(rows[0]) and sum(map(bool, map(number.fullmatch, row))) >= 3 for row in rows
    )
    return n_numbers > 0 and 2 * n_numbers >= len(rows) - 1


def _looks_like_rating(cells: Sequence[str], layout: RatingsFormat) -> bool:
    number = _COMMA_NUMBER if layout.has_decimal_commas else _NUMBER
    if len(cells) != layout.n_columns:
        return False
    needed = (cells[layout.user], cells[layout.item], cells[layout.rating])
    return all(map(number.fullmatch, needed)) and (
        layout.timestamp is None or _is_time(cells[layout.timestamp])
    )


def _is_time(text: str) -> bool:
    try:
        read_time(text)
    except RatingError:
        return False
    return True


def _refused(names: Sequence[str], missing: Sequence[str]) -> str:
    listed = ", ".join(map(_shown_name, names[:10]))
    return (
        f"has the columns {listed}: which is the {' and the '.join(missing)}? Name them with "
        f"{HOW_TO_NAME}"
    )


def _shown_name(name: str) -> str:
    text = name.strip()[:24]
    # What is no text may hold anything, and a message is for a terminal.
    return text if text and text.isprintable() else repr(text)


def is_header(lines: Sequence[str], separator: str) -> bool:
    """Whether the first line may name columns: short names, and a row below with as many cells.

    Prose may hold the names too, between commas or spaces.
    """
    names = split_line(lines[0], separator)
    if max(map(len, names), default=0) > _MAX_NAME_CHARACTERS:
        return False
    widths = [len(split_line(line, separator)) for line in lines[1:]]
    return not widths or len(names) in widths or len(names) in _widths_across(lines[1:], separator)


def _widths_across(lines: Sequence[str], separator: str) -> list[int]:
    """How many cells the rows have where quoted cells run over several lines."""
    if separator not in QUOTING_SEPARATORS:
        return []
    widths: list[int] = []
    with suppress(csv.Error):
        widths.extend(len(row) for row in csv.reader(lines, delimiter=separator))
    return widths


def head_lines(head: bytes) -> list[str]:
    """The first lines of a file that are not empty, at most 200."""
    return [line for line in block_lines(head.removeprefix(codecs.BOM_UTF8)) if line.strip()][:200]


def block_lines(block: bytes) -> list[str]:
    """The lines of a block; the last is left out when the block is full, as it may be cut."""
    lines = decode_text(block).split("\n")
    whole = lines[:-1] if len(block) >= HEAD_BYTES and len(lines) > 1 else lines
    return [line.removesuffix("\r") for line in whole]


def decode_text(row: bytes) -> str:
    """UTF-8, or else what Windows writes in the west: of a row, so that one bad byte changes one
    row.
    """
    try:
        return row.decode()
    except UnicodeDecodeError:
        # cp1252 lacks five bytes; latin-1 has all.
        try:
            return row.decode("cp1252")
        except UnicodeDecodeError:
            return row.decode("latin-1")


def split_line(line: str, separator: str) -> list[str]:
    """The cells of one line. No cells when the quotes are broken."""
    if '"' not in line or separator not in QUOTING_SEPARATORS:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []
