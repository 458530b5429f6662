"""Films: what is known of each, and how a person finds one by its title."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from reelstream.errors import InputError
from reelstream.files import encode_json, read_json, replace_file
from reelstream.title_search import TitleSearch, fold


class Film(msgspec.Struct, frozen=True, omit_defaults=True):
    """One film; empty and None stand for what its data set does not say."""

    item_id: int
    title: str = ""
    """Without the year; empty for a film that is known by its id only."""
    year: int | None = None
    genres: tuple[str, ...] = ()
    tmdb_id: int | None = None
    imdb_id: str | None = None
    """The digits, as the links file writes them: 0114709."""
    text_id: str | None = None
    """Its id in the data set, where that is a text; `item_id` is then its hash."""

    @property
    def id(self) -> int | str:
        """Its id as the data set has it."""
        return self.item_id if self.text_id is None else self.text_id

    def filled_from(self, other: Film) -> Film:
        """The same film, with what `other` says where it says nothing itself."""
        return Film(
            self.item_id,
            self.title or other.title,
            other.year if self.year is None else self.year,
            self.genres or other.genres,
            tmdb_id=other.tmdb_id if self.tmdb_id is None else self.tmdb_id,
            imdb_id=self.imdb_id or other.imdb_id,
            text_id=self.text_id or other.text_id,
        )


class _FilmsFile(msgspec.Struct):
    format: Literal[1]
    films: tuple[Film, ...]


# How films may be listed.
Order: TypeAlias = Literal["match", "popular", "title", "year"]


class _Films:
    """Films by id, and what is derived from all of them."""

    def __init__(self, films: Iterable[Film]) -> None:
        self.by_id: dict[int, Film] = {}
        for film in films:
            self.by_id.setdefault(film.item_id, film)

    @cached_property
    def genres(self) -> tuple[str, ...]:
        return tuple(sorted({genre for film in self.by_id.values() for genre in film.genres}))

    @cached_property
    def titles(self) -> TitleSearch:
        return TitleSearch((film.item_id, film.title, film.year) for film in self.by_id.values())


class Catalog:
    """The films of a data set, by id; of two with one id the first counts.

    One that was opened `in_file` takes over with `refresh` what was written there since; whoever
    holds it sees the new films from then on.
    """

    def __init__(self, films: Iterable[Film]) -> None:
        self._films = _Films(films)
        self._path: Path | None = None
        self._stamp: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self._films.by_id)

    def __iter__(self) -> Iterator[Film]:
        return iter(self._films.by_id.values())

    def get(self, item_id: int) -> Film | None:
        """The film with this id, if the catalogue has it."""
        return self._films.by_id.get(item_id)

    @property
    def genres(self) -> tuple[str, ...]:
        """Every genre that a film has, sorted."""
        return self._films.genres

    def search(
        self, query: str, limit: int, popularity: Mapping[int, int] | None = None
    ) -> list[Film]:
        """At most `limit` films whose title and year hold every word of `query`, in any order and
        case, the best match first: see `TitleSearch.find`. An empty query finds every film that has
        a title.
        """
        return self.find(query, popularity)[: max(limit, 0)]

    def find(
        self,
        query: str = "",
        popularity: Mapping[int, int] | None = None,
        *,
        genres: Collection[str] = (),
        order: Order = "match",
    ) -> list[Film]:
        """The same without a limit, of films with one of the genres, if some are named.

        `order`: `match`, the best first; `popular`, by `popularity`, an item's number of ratings;
        `title`; `year`, the newest first, and last those without one. Raises InputError for a genre
        that no film has.
        """
        unknown = sorted(set(genres) - set(self.genres))
        if unknown:
            raise InputError(
                f"no film has the genre {unknown[0]!r}: name one of {', '.join(self.genres)}"
            )
        films, counts = self._films, popularity or {}
        found = [films.by_id[each.item_id] for each in films.titles.find(query, counts)]
        if wanted := set(genres):
            found = [film for film in found if not wanted.isdisjoint(film.genres)]
        # Stable: films that are alike stay in the order of their match.
        if order == "popular":
            found.sort(key=lambda film: -counts.get(film.item_id, 0))
        elif order == "title":
            found.sort(key=lambda film: fold(film.title))
        elif order == "year":
            found.sort(key=lambda film: -(film.year or 0))
        return found

    @classmethod
    def in_file(cls, path: Path) -> Catalog:
        """The catalogue in `path`; empty as long as there is no such file. Raises StorageError, or
        DamagedError when it is not one.
        """
        catalog = cls([])
        catalog._path = path
        catalog.refresh()
        return catalog

    def refresh(self) -> bool:
        """Take over what the file holds, if it was replaced; whether it was.

        Raises as `in_file`; then the films stay as they are.
        """
        if self._path is None:
            return False
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        # Before it is read: what replaces it meanwhile has another stamp.
        stamp = found.st_ino, found.st_mtime_ns, found.st_size
        if stamp == self._stamp:
            return False
        self._films, self._stamp = _Films(read_json(self._path, _FilmsFile).films), stamp
        return True

    def updated_with(self, newer: Catalog) -> Catalog:
        """All films of both; of a film in both, what `newer` says, and what only this one says."""
        films = {film.item_id: film for film in self}
        for film in newer:
            known = films.get(film.item_id)
            films[film.item_id] = film if known is None else film.filled_from(known)
        return Catalog(films.values())

    @classmethod
    def read(cls, path: Path) -> Catalog:
        """The catalogue that `write` left in `path`. Raises StorageError, or DamagedError when it
        is not one.
        """
        return cls(read_json(path, _FilmsFile).films)

    def write(self, path: Path) -> None:
        """Keep the catalogue as JSON in `path`, in place of what was there. Raises StorageError."""
        replace_file(path, encode_json(_FilmsFile(1, tuple(self))))
