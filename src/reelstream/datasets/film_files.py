"""Which film file a file is, recognised by its content, and which of its columns is which."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from reelstream.datasets.headers import ColumnNames, plain_name
from reelstream.datasets.layouts import SEPARATORS, head_lines, is_header, split_line
from reelstream.errors import RatingError
from reelstream.ratings.events import MAX_ID
from reelstream.ratings.ids import NumberIds, TextIds

FilmFileKind = Literal["movies.csv", "movies.dat", "u.item", "movies_metadata.csv", "links.csv"]

# Of u.item: id, title, two dates, a URL, and a flag for each of 19 genres.
N_ITEM_COLUMNS = 24
_METADATA = {"id", "title", "genres", "releasedate"}
_IDS_ELSEWHERE = {"imdb": ("imdbid", "imdb"), "tmdb": ("tmdbid", "tmdb")}


@dataclass(frozen=True, slots=True)
class FilmFormat:
    """How a film file is written."""

    kind: FilmFileKind
    separator: str
    """Empty for lines of JSON."""
    places: dict[str, int] = field(default_factory=dict)
    """Number of each column by role: item, title, genres, year, imdb, tmdb."""
    names: tuple[str, ...] = ()
    """What the header calls the columns; empty without a header."""
    n_columns: int = 3


def recognise_films(head: bytes, columns: ColumnNames) -> FilmFormat | None:
    """How the film file that begins with `head` is written; None for one that is none."""
    lines = head_lines(head)
    if not lines:
        return None
    if lines[0].startswith("{"):
        try:
            names = list(msgspec.json.decode(lines[0], type=dict[str, object]))
        except msgspec.MsgspecError:
            return None
        return _from_header(names, "", columns)
    headers = [
        found
        for separator in SEPARATORS
        if separator != " " and is_header(lines, separator)  # titles have spaces
        if (found := _from_header(split_line(lines[0], separator), separator, columns))
    ]
    if headers:
        return max(headers, key=lambda each: len(each.places))
    return next((each for each, fits in _BODIES if _mostly(lines, each.separator, fits)), None)


_CATALOGUE_NUMBER = re.compile(r"\s*([0-9]{1,18})(?:\.0*)?\s*")


def catalogue_number(text: str) -> int | None:
    """The number of a film in TMDB, IMDb or MovieLens, perhaps padded; None where there is none."""
    match = _CATALOGUE_NUMBER.fullmatch(text)
    return int(match[1]) if match else None


def film_id(text: str, ids: NumberIds | TextIds) -> int | None:
    """The id of a film in a cell; None where there is none."""
    # Most cells are plain digits, and an exception for each empty one would take most of the time.
    if not text:
        return None
    try:
        number = ids.read(text)
    except RatingError:
        return None
    return number if 0 <= number <= MAX_ID else None


def _from_header(names: Sequence[str], separator: str, columns: ColumnNames) -> FilmFormat | None:
    plain = [plain_name(name) for name in names]
    places = dict(columns.find(names, ("item", "title", "genres", "year")).places)
    for role, accepted in _IDS_ELSEWHERE.items():
        named = [plain.index(name) for name in accepted if name in plain]
        if named:
            places[role] = named[0]
    has_user = "user" in columns.find(names, ("user",)).places
    kind: FilmFileKind
    # Ratings and tags may have titles beside their users, and TMDB's credits, with cast and crew,
    # repeat them: neither is a catalogue.
    if "title" not in places and "item" in places and places.keys() & _IDS_ELSEWHERE.keys():
        kind = "links.csv"
    elif "title" in places and set(plain) >= _METADATA and "movieid" not in plain:
        # Its ids are TMDB's own, whatever else is called an item there.
        kind, places["item"] = "movies_metadata.csv", plain.index("id")
    elif "title" in places and not has_user and not {"cast", "crew"} <= set(plain):
        kind = "movies.csv"
        # Every table may have an `id`; beside a title it means the film.
        if "item" not in places and "id" in plain:
            places["item"] = plain.index("id")
    else:
        return None
    if places.get("item") in (None, places.get("title")):
        return None
    return FilmFormat(kind, separator, places, tuple(names), len(names))


def _mostly(lines: Sequence[str], separator: str, fits: Callable[[list[str]], bool]) -> bool:
    """Whether at least half of the lines begin with an id and fit, and the first is no header."""
    rows = [split_line(line, separator) for line in lines]
    if not rows[0] or catalogue_number(rows[0][0]) is None:
        return False
    n_fitting = sum(
        bool(row) and catalogue_number(row[0]) is not None and fits(row) for row in rows
    )
    return 2 * n_fitting >= len(rows)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?[0-9.]+\s*", text))


def _is_link(cells: list[str]) -> bool:
    ids = cells[1:] if cells[2:] != [""] else cells[1:2]  # some films have no id of TMDB
    return len(cells) == 3 and all(catalogue_number(cell) is not None for cell in ids)


def _is_film(cells: list[str]) -> bool:
    return len(cells) == 3 and not _is_number(cells[1]) and not _is_number(cells[2])


# Film files without a header, by what their lines look like.
_FILM_PLACES = {"item": 0, "title": 1, "genres": 2}
_BODIES: tuple[tuple[FilmFormat, Callable[[list[str]], bool]], ...] = (
    (
        FilmFormat("u.item", "|", {"item": 0, "title": 1}, n_columns=N_ITEM_COLUMNS),
        lambda cells: len(cells) == N_ITEM_COLUMNS,
    ),
    (FilmFormat("movies.dat", "::", _FILM_PLACES), lambda cells: len(cells) == 3),
    (FilmFormat("links.csv", ",", {"item": 0, "imdb": 1, "tmdb": 2}), _is_link),
    (FilmFormat("movies.csv", ",", _FILM_PLACES), _is_film),
)
