"""Queries and answers about the catalogue's films."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reelstream.contract.base import Answer, Limit, NextOffset, Offset, Query
from reelstream.contract.ids import ItemId, ShownItemId


class FilmQuery(Query):
    """One film."""

    item_id: ItemId


class FilmsQuery(Query):
    """A search for films."""

    query: Annotated[
        str,
        Field(
            max_length=200, description="Words of the title, and the year.", examples=["toy story"]
        ),
    ] = ""
    genre: Annotated[
        str, Field(max_length=200, description="Films with one of these, with commas between them.")
    ] = ""
    sort: Annotated[
        Literal["match", "popular", "title", "year"],
        Field(
            description="match: the best match first, the popular of equal ones; year: the newest "
            "first."
        ),
    ] = "match"
    limit: Limit = 20
    offset: Offset = 0


class FilmAnswer(Answer):
    """One film."""

    item_id: ShownItemId
    title: str
    year: int | None
    genres: list[str]
    tmdb_id: Annotated[
        int | None, Field(alias="tmdbId", description="Its number at themoviedb.org.")
    ]
    imdb_id: Annotated[str | None, Field(alias="imdbId", description="Its number at imdb.com.")]
    ratings: Annotated[
        int, Field(ge=0, description="How many ratings of it the set in service has learned.")
    ] = 0


class FilmsAnswer(Answer):
    """The films that a search found."""

    items: list[FilmAnswer]
    found: Annotated[int, Field(ge=0, description="How many films the search found.")]
    next: NextOffset = None
    total: Annotated[int, Field(ge=0, description="How many films the catalogue has.")]
