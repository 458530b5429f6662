"""Titles as a person reads them, safe in Markdown."""

from __future__ import annotations

import re
from typing import Protocol

from reelstream.contract import Id

# The article may stand before the title in another language: `Good, the Bad and the Ugly, The (…)`.
_ARTICLE_LAST = re.compile(
    r"^(.+?), (The|A|An|Le|La|Les|Il|El|Los|Las|Der|Die|Das)(?=$| \()( \(.+\))?$"
)


class Titled(Protocol):
    """Any answer that names a film."""

    @property
    def item_id(self) -> Id: ...

    @property
    def title(self) -> str | None: ...


def plain(text: str) -> str:
    """`text` with every character that Markdown would read as its own escaped: titles come from
    data.
    """
    return "".join(
        # Streamlit reads more than Markdown: `$` begins a formula, `:` an icon or a colour.
        f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>$~:" else letter
        for letter in text
    )


def film_name(film: Titled) -> str:
    """`The Matrix (1999)` where MovieLens sorts it as `Matrix, The`; the id of a film without a
    title. The year is that of answers which have one.
    """
    title = film.title
    name = _ARTICLE_LAST.sub(_with_article_first, title) if title else f"#{film.item_id}"
    year = getattr(film, "year", None)
    return name if year is None else f"{name} ({year})"


def _with_article_first(match: re.Match[str]) -> str:
    name, article, other_title = match.groups()
    return f"{article} {name}{other_title or ''}"


def sentence(text: str) -> str:
    """A reason of the API as a sentence, safe in Markdown."""
    return plain(f"{text[:1].upper()}{text[1:].rstrip('.')}.")
