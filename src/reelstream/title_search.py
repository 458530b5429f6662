"""Finds titles by what a person types: words in any order, without accents, and with typing
errors.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

# Words of titles that may stand for a word which no title has; the nearest.
MAX_CORRECTIONS = 8
# Letters of a word, counted up, for each error in it that is forgiven: one from three letters on.
LETTERS_AN_ERROR = 4


class Titled(NamedTuple):
    """A title as the search sees it."""

    item_id: int
    title: str
    """Folded: see `fold`."""
    text: str
    """The title and the year, with a space before every word."""


class TitleSearch:
    """Titles to search in.

    >>> titles = TitleSearch([(1, "Matrix, The", 1999), (2, "Heat", 1995)])
    >>> [found.item_id for found in titles.find("the matirx")]
    [1]
    """

    def __init__(self, titles: Iterable[tuple[int, str, int | None]]) -> None:
        """Id, title and year of each."""
        folded = ((item_id, fold(title), year) for item_id, title, year in titles if title)
        # In the order in which titles are found that match alike.
        self.all = sorted(
            (Titled(item_id, title, f" {title} {year or ''}") for item_id, title, year in folded),
            key=lambda each: (each.title, each.item_id),
        )

    def find(self, query: str, popularity: Mapping[int, int] | None = None) -> list[Titled]:
        """The titles that hold every word of `query`, the best match first.

        First those titled exactly so, then titles that begin so, then those where every word begins
        one of the title's, then the rest; within each the popular first, by `popularity`. If no
        title holds them all, words that were mistyped or wrongly separated are forgiven.
        """
        wanted = fold(query)
        words = wanted.split()
        ranked = [
            (_distance(wanted, words, each), each)
            for each in self.all
            if all(word in each.text for word in words)
        ] or self._find_mistyped(wanted, words)
        counts = popularity or {}
        ranked.sort(key=lambda match: (match[0], -counts.get(match[1].item_id, 0)))
        return [each for _, each in ranked]

    def _find_mistyped(self, wanted: str, words: list[str]) -> list[tuple[int, Titled]]:
        """The titles that hold for each word one that is near it, with the errors in all."""
        found: dict[int, int] | None = None
        for word in words:
            errors = self._near(word)
            found = {
                row: n + (found[row] if found is not None else 0)
                for row, n in errors.items()
                if found is None or row in found
            }
            # No title has all words: a long query is not to be searched for to its end.
            if not found:
                break
        together = wanted.replace(" ", "")
        separated = {
            row: 1 for row, each in enumerate(self.all) if together in each.title.replace(" ", "")
        }
        matches = separated | (found or {})
        return [(matches[row], self.all[row]) for row in sorted(matches)]

    def _near(self, word: str) -> dict[int, int]:
        """Rows of titles with a word that may be meant -> how many errors that would be."""
        near = process.extract(
            word,
            list(self._rows_of_words),
            # Two letters that are swapped are one error.
            scorer=OSA.distance,
            # A year or a number that is near is another one.
            score_cutoff=0 if word.isdigit() else (len(word) + 1) // LETTERS_AN_ERROR,
            limit=MAX_CORRECTIONS,
        )
        errors = {found: int(n) for found, n, _ in near}
        errors |= {found: 0 for found in self._rows_of_words if found.startswith(word)}
        rows: dict[int, int] = {}
        for found, n in sorted(errors.items(), key=lambda each: -each[1]):
            rows |= dict.fromkeys(self._rows_of_words[found], n)
        return rows

    @cached_property
    def _rows_of_words(self) -> dict[str, list[int]]:
        """Word -> rows of the titles that have it; the frequent first, as they are meant before
        others that are as near.
        """
        rows: dict[str, list[int]] = {}
        for row, each in enumerate(self.all):
            for word in set(each.text.split()):
                rows.setdefault(word, []).append(row)
        return dict(sorted(rows.items(), key=lambda each: -len(each[1])))


def _distance(wanted: str, words: list[str], titled: Titled) -> int:
    if wanted in (titled.title, titled.text.strip()):
        return 0
    if titled.title.startswith(wanted):
        return 1
    return 2 if all(f" {word}" in titled.text for word in words) else 3


# Only at the end or before a parenthesis: `I, the Jury` keeps its words in place.
_TRAILING_ARTICLE = re.compile(
    r"^(.*), (the|an?|l[aeo]s?|il|i|el|d(?:er|ie|as|en|et)|une?)(?= \(|$)(.*)$"
)
_NOT_A_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Lower case without accents and punctuation, the article before its title: `Matrix, The` is
    `the matrix`.
    """
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
    )
    in_front = _TRAILING_ARTICLE.sub(r"\2 \1\3", plain.casefold().strip())
    return _NOT_A_WORD.sub(" ", in_front.replace("'", "")).strip() or in_front
