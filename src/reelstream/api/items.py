"""/v1/items: films, by id and by title."""

from __future__ import annotations

from reelstream.api.problems import HOW_TO_FIND, ProblemError, make_problem
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import FilmAnswer, FilmQuery, FilmsAnswer, FilmsQuery
from reelstream.storage.api_keys import Scope

resource = Resource()


@resource.get("/v1/items", FilmsQuery, FilmsAnswer, scope=Scope.READ)
def films(service: Service, query: FilmsQuery) -> FilmsAnswer:
    """Films whose title and year hold all these words, best match first."""
    found = service.catalog.search(query.query, query.limit, service.popularity())
    return FilmsAnswer(
        items=[FilmAnswer.model_validate(film) for film in found], total=len(service.catalog)
    )


@resource.get("/v1/items/{movieId}", FilmQuery, FilmAnswer, scope=Scope.READ, problems=(404,))
def film(service: Service, query: FilmQuery) -> FilmAnswer:
    """One film."""
    found = service.catalog.get(query.item_id)
    if found is None:
        detail = f"film {query.item_id} is not in the catalogue: {HOW_TO_FIND}"
        raise ProblemError(make_problem(404, detail))
    return FilmAnswer.model_validate(found)
