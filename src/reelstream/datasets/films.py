"""Catalogues from the film files of the known layouts, each recognised by its content."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reelstream.catalog import Catalog, Film
from reelstream.datasets.layouts import head_lines, split_line
from reelstream.errors import DatasetError
from reelstream.files import translate_errors

FilmFileKind = Literal["movies.csv", "movies.dat", "u.item", "movies_metadata.csv", "links.csv"]

_ITEM_GENRES = (
    "",  # the first flag says that the genre is unknown
    *(
        "Action",
        "Adventure",
        "Animation",
        "Children",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *(
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)
_HEADERS: dict[FilmFileKind, set[str]] = {
    "movies_metadata.csv": {"id", "title", "genres", "release_date"},
    "movies.csv": {"movieid", "title", "genres"},
    "links.csv": {"movieid", "imdbid", "tmdbid"},
}
_NO_GENRES = "(no genres listed)"
_TITLE_AND_YEAR = re.compile(
    r"(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-–][0-9]{0,4})?\)\s*", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class CatalogRead:
    """A catalogue, and what in its files could not be read."""

    catalog: Catalog
    skipped: int = 0
    """Rows of the film files that are not films: shifted columns, a broken id."""


@dataclass(frozen=True, slots=True)
class _Link:
    imdb_id: str | None
    tmdb_id: int | None


def recognise_films(head: bytes) -> FilmFileKind | None:
    """Which film file begins with `head`; None for one that is none."""
    lines = head_lines(head)
    first = {name.strip().lower() for name in split_line(lines[0], ",")} if lines else set()
    for kind, names in _HEADERS.items():
        if first >= names:
            return kind
    return next(
        (kind for kind, separator, fits in _BODIES if _mostly(lines, separator, fits)), None
    )


def read_films(files: dict[FilmFileKind, Path]) -> CatalogRead:
    """The catalogue in a folder's film files; an empty one when there are none.

    TMDB's metadata counts before MovieLens's own titles, as its folder may hold both. Raises
    StorageError, or DatasetError when a file breaks off inside a quoted field.
    """
    links, broken_links = _read_links(files["links.csv"]) if "links.csv" in files else ({}, 0)
    if "movies_metadata.csv" in files and links:
        read = _read_metadata(files["movies_metadata.csv"], links)
    elif "movies.csv" in files:
        read = _read_movies(_csv_rows(files["movies.csv"]), links)
    elif "movies.dat" in files:
        read = _read_movies(_split_rows(files["movies.dat"], "::"), links)
    elif "u.item" in files:
        read = _read_items(_split_rows(files["u.item"], "|"))
    else:
        return CatalogRead(Catalog([]))
    return CatalogRead(read.catalog, read.skipped + broken_links)


def _read_movies(rows: Iterator[Sequence[str]], links: dict[int, _Link]) -> CatalogRead:
    films, skipped = [], 0
    for row in rows:
        if len(row) != 3 or not _is_id(row[0]):
            skipped += 1
            continue
        item_id, link = int(row[0]), links.get(int(row[0]), _Link(None, None))
        title, year = split_title(row[1])
        genres = split_genres(row[2])
        films.append(Film(item_id, title, year, genres, link.tmdb_id, link.imdb_id))
    return CatalogRead(Catalog(films), skipped)


def _read_items(rows: Iterator[Sequence[str]]) -> CatalogRead:
    films, skipped = [], 0
    for row in rows:
        if len(row) != 5 + len(_ITEM_GENRES) or not _is_id(row[0]):
            skipped += 1
            continue
        title, year = split_title(row[1])
        flags = zip(_ITEM_GENRES, row[5:], strict=True)
        films.append(
            Film(
                int(row[0]),
                title,
                year,
                tuple(genre for genre, flag in flags if genre and flag == "1"),
            )
        )
    return CatalogRead(Catalog(films), skipped)


def _read_metadata(path: Path, links: dict[int, _Link]) -> CatalogRead:
    """Films by MovieLens's id: the metadata knows TMDB's only, so that the links say which film is
    which.

    A film that the links name and the metadata lacks stays in the catalogue untitled: its ratings
    are real, and its id should be answered, not refused.
    """
    rows = _csv_rows(path, keep_header=True)
    header = [name.strip().lower() for name in next(rows, [])]
    at_id, at_title, at_genres, at_date = (
        header.index(name) for name in ("id", "title", "genres", "release_date")
    )
    wanted = {link.tmdb_id for link in links.values()}
    described: dict[int, tuple[str, int | None, tuple[str, ...]]] = {}
    skipped = 0
    for row in rows:
        if len(row) != len(header) or not _is_id(row[at_id]):
            skipped += 1
        elif (tmdb_id := int(row[at_id])) in wanted and tmdb_id not in described:
            date = row[at_date][:4]
            described[tmdb_id] = (
                row[at_title].strip(),
                int(date) if _is_id(date) else None,
                _genres(row[at_genres]),
            )
    films = []
    for item_id, link in links.items():
        title, year, genres = described.get(link.tmdb_id or -1, ("", None, ()))
        films.append(Film(item_id, title, year, genres, link.tmdb_id, link.imdb_id))
    return CatalogRead(Catalog(films), skipped)


def _read_links(path: Path) -> tuple[dict[int, _Link], int]:
    links, skipped = {}, 0
    for row in _csv_rows(path):
        if len(row) != 3 or not _is_id(row[0]):
            skipped += 1
            continue
        links[int(row[0])] = _Link(row[1].strip() or None, int(row[2]) if _is_id(row[2]) else None)
    return links, skipped


def _genres(literal: str) -> tuple[str, ...]:
    """Names in a Python literal such as `[{'id': 18, 'name': 'Drama'}]`; none when it is not
    one.
    """
    try:
        named = ast.literal_eval(literal or "[]")
        return tuple(dict.fromkeys(str(genre["name"]) for genre in named))
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        return ()


def split_genres(text: str) -> tuple[str, ...]:
    """`Comedy|Drama` as its genres; MovieLens writes a sentence where there are none."""
    return tuple(genre for genre in text.split("|") if genre and genre != _NO_GENRES)


def split_title(text: str) -> tuple[str, int | None]:
    """`Toy Story (1995)` as title and year."""
    match = _TITLE_AND_YEAR.fullmatch(text)
    return (match["title"], int(match["year"])) if match else (text.strip(), None)


def _csv_rows(path: Path, keep_header: bool = False) -> Iterator[list[str]]:
    try:
        for number, row in enumerate(csv.reader(io.StringIO(_read(path), newline=""))):
            header = number == 0 and not (row and _is_id(row[0]))
            if row and (keep_header or not header):
                yield row
    except csv.Error as error:
        raise DatasetError(
            f"{path} is not CSV: {error}; take the file from its source again"
        ) from error


def _split_rows(path: Path, separator: str) -> Iterator[list[str]]:
    return (
        line.removesuffix("\r").split(separator) for line in _read(path).split("\n") if line.strip()
    )


def _read(path: Path) -> str:
    with translate_errors(path):
        return _decode(path.read_bytes())


def _decode(data: bytes) -> str:
    """The newer data sets are UTF-8; ml-100k and ml-1m are latin-1."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _is_id(text: str) -> bool:
    text = text.strip()
    return text.isascii() and text.isdigit() and len(text) <= 18


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?[0-9.]+\s*", text))


def _mostly(lines: Sequence[str], separator: str, fits: Callable[[list[str]], bool]) -> bool:
    """Whether at least half of the lines begin with an id and fit."""
    rows = [split_line(line, separator) for line in lines]
    return bool(rows) and 2 * sum(
        bool(row) and _is_id(row[0]) and fits(row) for row in rows
    ) >= len(rows)


_BODIES: tuple[tuple[FilmFileKind, str, Callable[[list[str]], bool]], ...] = (
    ("u.item", "|", lambda cells: len(cells) == 5 + len(_ITEM_GENRES)),
    ("movies.dat", "::", lambda cells: len(cells) == 3),
    (
        "links.csv",
        ",",
        lambda cells: len(cells) == 3 and _is_id(cells[1]) and (not cells[2] or _is_id(cells[2])),
    ),
    (
        "movies.csv",
        ",",
        lambda cells: len(cells) == 3 and not _is_number(cells[1]) and not _is_number(cells[2]),
    ),
)
"""Film files without a header, by what their lines look like."""
