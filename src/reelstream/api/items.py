"""/v1/items: films, by id and by title."""

from __future__ import annotations

from reelstream.api import schemas
from reelstream.api.operation import Operation
from reelstream.api.problems import HOW_TO_FIND, ProblemError, problem
from reelstream.api.service import Service
from reelstream.catalog import Film


def operations(service: Service) -> list[Operation]:
    """What the API says about films."""

    def search(question: schemas.FilmsQuestion) -> schemas.FilmsAnswer:
        found = service.catalog.search(question.query, question.limit, service.popularity())
        return schemas.FilmsAnswer(
            items=[_answer(film) for film in found], total=len(service.catalog)
        )

    def one(question: schemas.FilmQuestion) -> schemas.FilmAnswer:
        film = service.catalog.get(question.movieId)
        if film is None:
            raise ProblemError(
                problem(404, f"film {question.movieId} is not in the catalogue: {HOW_TO_FIND}")
            )
        return _answer(film)

    return [
        Operation(
            "GET",
            "/v1/items",
            "Films whose title and year hold all these words, best fit first.",
            schemas.FilmsAnswer,
            search,
            schemas.FilmsQuestion,
        ),
        Operation(
            "GET",
            "/v1/items/{movieId}",
            "One film.",
            schemas.FilmAnswer,
            one,
            schemas.FilmQuestion,
            problems=(404,),
        ),
    ]


def _answer(film: Film) -> schemas.FilmAnswer:
    return schemas.FilmAnswer(
        movieId=film.item_id,
        title=film.title,
        year=film.year,
        genres=list(film.genres),
        tmdbId=film.tmdb_id,
        imdbId=film.imdb_id,
    )
