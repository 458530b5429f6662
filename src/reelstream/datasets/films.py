"""Catalogues from the film files of the known layouts."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import msgspec

from reelstream.catalog import Catalog, Film
from reelstream.datasets.data_file import DataFile
from reelstream.datasets.film_files import (
    N_ITEM_COLUMNS,
    FilmFileKind,
    FilmFormat,
    catalogue_number,
    film_id,
    recognise_films,
)
from reelstream.datasets.headers import NO_NAMES, ColumnNames
from reelstream.datasets.layouts import QUOTING_SEPARATORS, decode_text
from reelstream.errors import DatasetError
from reelstream.files import translate_errors
from reelstream.ratings.ids import NUMBERS, NumberIds, TextIds

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
_NO_GENRES = {"(no genres listed)", "\\N"}
# Of series MovieLens gives a span, `(2005-2010)` or `(2005-)`: the first year counts.
_TITLE_AND_YEAR = re.compile(
    r"(?P<title>.*?)\s*\((?P<year>[0-9]{4})(?:[-–][0-9]{0,4})?\)\s*", re.DOTALL
)
# Not within a longer number, such as an id.
_YEAR = re.compile(r"(?<![0-9])(1[89][0-9]{2}|20[0-9]{2})(?![0-9])")


@dataclass(frozen=True, slots=True)
class CatalogRead:
    """A catalogue, and what in its files could not be read."""

    catalog: Catalog
    skipped: int = 0
    """Rows of the film files that are not films: shifted columns, a broken id."""
    repeated: int = 0
    """Films with an id that a film before them has: they are left out."""
    notes: tuple[str, ...] = ()
    """What a person should know of how the files were read."""


class _Films(NamedTuple):
    """What one film file says, by the id that it uses."""

    films: dict[int, Film]
    skipped: int
    repeated: int


_NOTHING = _Films({}, 0, 0)


def read_films(
    files: dict[FilmFileKind, DataFile],
    columns: ColumnNames = NO_NAMES,
    ids: NumberIds | TextIds = NUMBERS.item,
) -> CatalogRead:
    """The catalogue in a folder's film files; an empty one when there are none. `ids` are those of
    the ratings' items.

    TMDB's metadata counts before MovieLens's own titles, as its folder may hold both; what it lacks
    is filled from these. Raises StorageError, or DatasetError when a file breaks off inside a
    quoted field.
    """
    linked = _read(files.get("links.csv"), columns, ids)
    own_kind = next((k for k in ("movies.csv", "movies.dat", "u.item") if k in files), None)
    own = _read(files[own_kind], columns, ids) if own_kind else _NOTHING
    metadata, notes = _NOTHING, []
    if "movies_metadata.csv" in files and linked.films:
        metadata = _read(files["movies_metadata.csv"], columns, NUMBERS.item)
    elif "movies_metadata.csv" in files:
        notes.append(
            f"{files['movies_metadata.csv'].name} has ids of TMDB, and no links file says which "
            "films of the ratings they are: it is left out"
        )
    films = own.films
    if metadata.films:
        # A film that the links name stays in the catalogue even untitled: its ratings are real,
        # and its id should be answered, not refused.
        films = {
            item_id: own.films.get(item_id, Film(item_id, text_id=link.text_id))
            for item_id, link in linked.films.items()
        }
        films |= own.films
    joined = [
        _joined(film, linked.films.get(film.item_id), metadata.films) for film in films.values()
    ]
    repeated = own.repeated
    if repeated:
        notes.append(f"{repeated} films have the id of a film before them: they are left out")
    notes += _lacks(joined)
    skipped = linked.skipped + own.skipped + metadata.skipped
    return CatalogRead(Catalog(joined), skipped, repeated, tuple(notes))


def _lacks(films: Sequence[Film]) -> Iterator[str]:
    """What a person should know of films that lack something."""
    lacking = {
        "title": sum(not film.title for film in films),
        "year": sum(film.year is None for film in films),
        "genres": sum(not film.genres for film in films),
    }
    for what, number in lacking.items():
        if number:
            yield f"{number:,} of {len(films):,} films have no {what}"


def _joined(film: Film, link: Film | None, metadata: dict[int, Film]) -> Film:
    """A film with what links and metadata know of it; neither takes away what it has."""
    tmdb_id = link.tmdb_id if link and link.tmdb_id is not None else film.tmdb_id
    # No film of TMDB has the id -1.
    richer = metadata.get(-1 if tmdb_id is None else tmdb_id)
    if link is None and richer is None:
        return film
    imdb_id = (link.imdb_id if link else None) or film.imdb_id
    if richer is None:
        return msgspec.structs.replace(film, tmdb_id=tmdb_id, imdb_id=imdb_id)
    return Film(
        film.item_id,
        richer.title or film.title,
        film.year if richer.year is None else richer.year,
        richer.genres or film.genres,
        tmdb_id=tmdb_id,
        imdb_id=imdb_id or richer.imdb_id,
        text_id=film.text_id,
    )


def _read(file: DataFile | None, columns: ColumnNames, ids: NumberIds | TextIds) -> _Films:
    """What a film file says."""
    if file is None:
        return _NOTHING
    layout = recognise_films(file.head(), columns)
    if layout is None:
        raise DatasetError(f"{file} is no film file any more: it has changed while it was read")
    films: dict[int, Film] = {}
    skipped = repeated = 0
    for cells in _rows(file, layout):
        film = _film(cells, layout, ids) if len(cells) == layout.n_columns else None
        if film is None:
            skipped += 1
            continue
        # Links name each film once, and metadata lists some twice: only of films is it said.
        repeated += film.item_id in films
        films.setdefault(film.item_id, film)
    return _Films(films, skipped, repeated)


def _film(cells: Sequence[str], layout: FilmFormat, ids: NumberIds | TextIds) -> Film | None:
    """What a row says of its film; None without an id."""

    def cell(role: str) -> str:
        place = layout.places.get(role)
        return "" if place is None else cells[place].strip()

    item_id = film_id(cell("item"), ids)
    if item_id is None:
        return None
    title, year = cell("title"), None
    if layout.kind != "movies_metadata.csv":
        title, year = split_title(title)
    if year is None and (match := _YEAR.search(cell("year"))):
        year = int(match[1])
    genres = split_genres(cell("genres"))
    if layout.kind == "u.item":
        flags = zip(_ITEM_GENRES, cells[N_ITEM_COLUMNS - len(_ITEM_GENRES) :], strict=True)
        genres = tuple(genre for genre, flag in flags if genre and flag == "1")
    return Film(
        item_id,
        title,
        year,
        genres,
        tmdb_id=catalogue_number(cell("tmdb")),
        imdb_id=_imdb_id(cell("imdb")),
        text_id=ids.write(item_id) if isinstance(ids, TextIds) else None,
    )


def _imdb_id(text: str) -> str | None:
    """`0114709` for `tt0114709`, `114709` and `114709.0`."""
    number = catalogue_number(text.removeprefix("tt"))
    return (text or None) if number is None else f"{number:07d}"


def split_genres(text: str) -> tuple[str, ...]:
    """The genres in a cell, in whatever way several are written.

    >>> split_genres("Comedy|Drama"), split_genres("Comedy, Drama")
    (('Comedy', 'Drama'), ('Comedy', 'Drama'))
    >>> split_genres("[{'id': 18, 'name': 'Drama'}]"), split_genres("['Drama']")
    (('Drama',), ('Drama',))
    """
    if text.startswith(("[", "{")):
        return _listed_genres(text)
    separator = next((sign for sign in "|,;" if sign in text), "|")
    genres = (genre.strip() for genre in text.split(separator))
    return tuple(dict.fromkeys(genre for genre in genres if genre and genre not in _NO_GENRES))


# TMDB's 45,000 films have 4,000 lists of genres, and to parse one takes longer than all the rest
# of its row.
@lru_cache(maxsize=10_000)
def _listed_genres(literal: str) -> tuple[str, ...]:
    """Names in a literal of Python or JSON; none when it is not one."""
    try:
        listed = ast.literal_eval(literal)
        named = listed if isinstance(listed, list) else [listed]
        names = (each["name"] if isinstance(each, dict) else each for each in named)
        return tuple(dict.fromkeys(str(name) for name in names))
    # On malformed text `literal_eval` raises all but KeyError; the last two on deep nesting.
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        return ()


def split_title(text: str) -> tuple[str, int | None]:
    """`Toy Story (1995)` as title and year."""
    match = _TITLE_AND_YEAR.fullmatch(text)
    return (match["title"], int(match["year"])) if match else (text.strip(), None)


def _rows(file: DataFile, layout: FilmFormat) -> Iterator[list[str]]:
    """The rows below the header, cell by cell; blank lines are no rows."""
    path = file.plain()
    with translate_errors(path), open(path, "rb") as stream:
        lines = map(decode_text, stream)
        if not layout.separator:
            yield from (_json_cells(line, layout.names) for line in lines if line.strip())
            return
        # In u.item a quote is a part of the title.
        is_quoting = layout.separator in QUOTING_SEPARATORS and layout.kind != "u.item"
        rows = (
            csv.reader(lines, delimiter=layout.separator)
            if is_quoting
            else (line.rstrip("\r\n").split(layout.separator) for line in lines)
        )
        is_header = bool(layout.names)
        try:
            for row in rows:
                # The header may follow a blank line, or Excel's `sep=`.
                if is_header:
                    is_header = len(row) != layout.n_columns
                elif any(map(str.strip, row)):
                    yield row
        except csv.Error as error:
            raise DatasetError(
                f"{file} is not CSV: {error}; take the file from its source again"
            ) from error


def _json_cells(line: str, names: Sequence[str]) -> list[str]:
    """The values under these names as a row of CSV would hold them; none when it is not JSON."""
    try:
        row = msgspec.json.decode(line.removeprefix("\ufeff"), type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return []
    values = (row.get(name) for name in names)
    return ["" if value is None else str(value) for value in values]
