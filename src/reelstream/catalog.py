"""Films: what is known of each, and how a person finds one by its title."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from reelstream.files import encode_json, read_json, replace_file


class Film(msgspec.Struct, frozen=True):
    """One film; empty and None stand for what its data set does not say."""

    item_id: int
    title: str = ""
    """Without the year; empty for a film that is known by its id only."""
    year: int | None = None
    genres: tuple[str, ...] = ()
    tmdb_id: int | None = None
    imdb_id: str | None = None
    """The digits, as the links file writes them: 0114709."""

    def filled_from(self, other: Film) -> Film:
        """The same film, with what `other` says where it says nothing itself."""
        return Film(
            self.item_id,
            self.title or other.title,
            other.year if self.year is None else self.year,
            self.genres or other.genres,
            other.tmdb_id if self.tmdb_id is None else self.tmdb_id,
            self.imdb_id or other.imdb_id,
        )


class _FilmsFile(msgspec.Struct):
    format: Literal[1]
    films: tuple[Film, ...]


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """How the search sees a film."""

    film: Film
    title: str
    text: str
    """The title and the year, with a space before every word."""


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
    def entries(self) -> list[_Entry]:
        titled = ((film, _folded(film.title)) for film in self.by_id.values() if film.title)
        return [_Entry(film, title, f" {title} {film.year or ''}") for film, title in titled]


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
        case.

        First the films titled exactly so, then titles that begin so, then those where every word
        begins one of the title's, then the rest; within each the popular first, where `popularity`
        gives a film's number of ratings. An empty query finds every film that has a title.
        """
        wanted = _folded(query)
        words = wanted.split()
        found = [
            entry for entry in self._films.entries if all(word in entry.text for word in words)
        ]

        def rank(entry: _Entry) -> tuple[int, int, str, int]:
            item_id = entry.film.item_id
            return (
                _distance(wanted, words, entry),
                -(popularity or {}).get(item_id, 0),
                entry.title,
                item_id,
            )

        return [entry.film for entry in sorted(found, key=rank)[: max(limit, 0)]]

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


def _distance(wanted: str, words: list[str], entry: _Entry) -> int:
    if wanted in (entry.title, entry.text.strip()):
        return 0
    if entry.title.startswith(wanted):
        return 1
    return 2 if all(f" {word}" in entry.text for word in words) else 3


# Only at the end or before a parenthesis: `I, the Jury` keeps its words in place.
_TRAILING_ARTICLE = re.compile(
    r"^(.*), (the|an?|l[aeo]s?|il|i|el|d(?:er|ie|as|en|et)|une?)(?= \(|$)(.*)$"
)
_NOT_A_WORD = re.compile(r"[\W_]+")


def _folded(text: str) -> str:
    """Lower case without accents and punctuation, the article before its title: `Matrix, The` is
    `the matrix`.
    """
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
    )
    in_front = _TRAILING_ARTICLE.sub(r"\2 \1\3", plain.casefold().strip())
    return _NOT_A_WORD.sub(" ", in_front.replace("'", "")).strip() or in_front
