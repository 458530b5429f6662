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


class _FilmsFile(msgspec.Struct):
    format: Literal[1]
    films: tuple[Film, ...]


class _Entry(msgspec.Struct, frozen=True, gc=False):
    """How the search sees a film."""

    film: Film
    title: str
    text: str
    """The title and the year, with a space before every word."""


class Catalog:
    """The films of a data set, by id; of two with one id the first counts."""

    def __init__(self, films: Iterable[Film]) -> None:
        self._films: dict[int, Film] = {}
        for film in films:
            self._films.setdefault(film.item_id, film)

    def __len__(self) -> int:
        return len(self._films)

    def __iter__(self) -> Iterator[Film]:
        return iter(self._films.values())

    def get(self, item_id: int) -> Film | None:
        """The film with this id, if the catalogue has it."""
        return self._films.get(item_id)

    @cached_property
    def genres(self) -> tuple[str, ...]:
        """Every genre that a film has, sorted."""
        return tuple(sorted({genre for film in self for genre in film.genres}))

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
        found = [entry for entry in self._entries if all(word in entry.text for word in words)]

        def rank(entry: _Entry) -> tuple[int, int, str, int]:
            item_id = entry.film.item_id
            return (
                _distance(wanted, words, entry),
                -(popularity or {}).get(item_id, 0),
                entry.title,
                item_id,
            )

        return [entry.film for entry in sorted(found, key=rank)[: max(limit, 0)]]

    @cached_property
    def _entries(self) -> list[_Entry]:
        titled = ((film, _folded(film.title)) for film in self if film.title)
        return [_Entry(film, title, f" {title} {film.year or ''}") for film, title in titled]

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
