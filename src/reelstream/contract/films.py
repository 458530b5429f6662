"""Queries and answers about the catalogue's films."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import Answer, ItemId, Limit, Query


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
    limit: Limit = 20


class FilmAnswer(Answer):
    """One film."""

    item_id: ItemId
    title: str
    year: int | None
    genres: list[str]
    tmdb_id: Annotated[
        int | None, Field(alias="tmdbId", description="Its number at themoviedb.org.")
    ]
    imdb_id: Annotated[str | None, Field(alias="imdbId", description="Its number at imdb.com.")]


class FilmsAnswer(Answer):
    """The films that a search found, best match first."""

    items: list[FilmAnswer]
    total: Annotated[int, Field(ge=0, description="How many films the catalogue has.")]
