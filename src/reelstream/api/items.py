"""/v1/items: films, by id and by title."""

from __future__ import annotations

from collections.abc import Mapping

from reelstream.api.paging import Page
from reelstream.api.problems import HOW_TO_FIND, refusal
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.catalog import Film
from reelstream.contract import FilmAnswer, FilmQuery, FilmsAnswer, FilmsQuery, ProblemType
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.get("/v1/items", FilmsQuery, FilmsAnswer, scope=Scope.READ)
def films(service: Service, query: FilmsQuery) -> FilmsAnswer:
    """Films whose title and year hold all these words; if there are none, typing errors are
    forgiven.
    """
    popularity, page = service.popularity(), Page.of(query)
    found = service.catalog.find(
        query.query, popularity, genres=names_of(query.genre), order=query.sort
    )
    return FilmsAnswer(
        items=[_answer(film, popularity) for film in found[page.entries]],
        found=len(found),
        next=page.next(len(found)),
        total=len(service.catalog),
    )


@resource.get("/v1/items/{movieId}", FilmQuery, FilmAnswer, scope=Scope.READ, problems=(404,))
def film(service: Service, query: FilmQuery) -> FilmAnswer:
    """One film."""
    found = service.catalog.get(query.item_id)
    if found is None:
        detail = (
            f"film {service.ids.item.show(query.item_id)} is not in the catalogue: {HOW_TO_FIND}"
        )
        raise refusal(ProblemType.UNKNOWN_FILM, detail)
    return _answer(found, service.popularity())


def names_of(listed: str) -> list[str]:
    """The names in a text with commas between them."""
    return [name.strip() for name in listed.split(",") if name.strip()]


def _answer(film: Film, popularity: Mapping[int, int]) -> FilmAnswer:
    return FilmAnswer(
        item_id=film.item_id,
        title=film.title,
        year=film.year,
        genres=list(film.genres),
        tmdb_id=film.tmdb_id,
        imdb_id=film.imdb_id,
        ratings=popularity.get(film.item_id, 0),
    )
