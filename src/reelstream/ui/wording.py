"""Numbers and times as a person reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from reelstream.contract import ExampleFilm, FilmAnswer, RatedFilm

_ARTICLE_LAST = re.compile("^(.+), (The|A|An|Le|La|Les|Il|El|Los|Las|Der|Die|Das)$")
_UNITS = (("day", 86_400), ("hour", 3_600), ("min", 60))


def count(number: int, one: str, many: str) -> str:
    """`1 rating`, `2,698 ratings`."""
    return f"{number:,} {one if number == 1 else many}"


def age(seconds: float) -> str:
    """A span of time in its largest whole unit: `12 s`, `3 min`, `2 hours`."""
    for unit, length in _UNITS:
        if seconds >= length:
            whole = int(seconds // length)
            return f"{whole} {unit}{'s' if whole > 1 and unit != 'min' else ''}"
    return f"{max(0, int(seconds))} s"


def day(timestamp: int) -> str:
    """Seconds since 1970, UTC, as `3 May 2001`."""
    then = datetime.fromtimestamp(timestamp, UTC)
    return f"{then.day} {then:%b %Y}"


def plain(text: str) -> str:
    """`text` with every character that Markdown would read as its own escaped: titles come from
    data.
    """
    return "".join(
        # Streamlit reads more than Markdown: `$` begins a formula, `:` an icon or a colour.
        f"\\{letter}" if letter in r"\`*_{}[]()#+-.!|<>$~:" else letter
        for letter in text
    )


def film_name(film: FilmAnswer | RatedFilm | ExampleFilm) -> str:
    """`The Matrix (1999)` where MovieLens sorts it as `Matrix, The`; the id of a film without a
    title.
    """
    name = _ARTICLE_LAST.sub(r"\2 \1", film.title) if film.title else f"Movie {film.item_id}"
    year = film.year if isinstance(film, FilmAnswer) else None
    return name if year is None else f"{name} ({year})"


def date_and_time(timestamp: float) -> str:
    """Seconds since 1970, UTC, as `3 May, 14:05:12`."""
    then = datetime.fromtimestamp(timestamp, UTC)
    return f"{then.day} {then:%b, %H:%M:%S}"
