"""The films of a simulated data set: eras, genres, popularity, quality and the factors that tastes
differ in.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reelstream.datasets.titles import make_titles

# The first user joins in March 1996, the last in March 2016.
FIRST_SECOND, LAST_SECOND = 828_057_600, 1_459_209_600

N_FACTORS = 6
_GENRES = {
    **{
        "Action": 0.19,
        "Adventure": 0.13,
        "Animation": 0.06,
        "Children": 0.07,
        "Comedy": 0.39,
        "Crime": 0.12,
    },
    **{
        "Documentary": 0.05,
        "Drama": 0.45,
        "Fantasy": 0.08,
        "Film-Noir": 0.01,
        "Horror": 0.10,
        "Musical": 0.03,
    },
    **{
        "Mystery": 0.06,
        "Romance": 0.16,
        "Sci-Fi": 0.10,
        "Thriller": 0.19,
        "War": 0.04,
        "Western": 0.02,
    },
}
_SECONDS_A_YEAR = 31_557_600


@dataclass(frozen=True, slots=True)
class SimulatedFilms:
    """Films in order of their release; the film in row 0 has id 1."""

    titles: list[str]
    years: NDArray[np.int64]
    genres: list[str]
    """As in movies.csv: `Comedy|Drama`."""
    popularity: NDArray[np.float64]
    """(n_items,), sums to 1; a long tail."""
    popularity_up_to: NDArray[np.float64]
    """(n_items,), the sum over this film and those before it."""
    quality: NDArray[np.float64]
    """(n_items,), in stars; 0 on the average rating."""
    factors: NDArray[np.float64]
    """(n_items, N_FACTORS): what tastes differ in; films of one genre are alike."""
    released: NDArray[np.int64]
    """(n_items,), seconds since 1970, UTC; rising."""

    def __len__(self) -> int:
        return len(self.titles)

    def write(self, folder: Path) -> None:
        """Write movies.csv and links.csv; without ids of TMDB, where these films do not exist."""
        ids = np.arange(1, len(self) + 1)
        titles = [
            f"{title} ({year})"
            for title, year in zip(self.titles, self.years.tolist(), strict=True)
        ]
        pl.DataFrame({"movieId": ids, "title": titles, "genres": self.genres}).write_csv(
            folder / "movies.csv"
        )
        imdb = [f"{9_000_000 + item_id:07d}" for item_id in ids.tolist()]
        links = pl.DataFrame({"movieId": ids, "imdbId": imdb, "tmdbId": [None] * len(self)})
        links.write_csv(folder / "links.csv")


def make_films(number: int, random: np.random.Generator) -> SimulatedFilms:
    """`number` films."""
    newest = 1970 + LAST_SECOND / _SECONDS_A_YEAR
    # Most films are young, as in MovieLens.
    years = np.sort(np.maximum(newest - random.gamma(1.4, 14.0, number), 1915.0))
    popularity = random.lognormal(0.0, 1.8, number)
    popularity /= popularity.sum()
    # People watch what others praise: popular films are better.
    standing = (np.log(popularity) - np.log(popularity).mean()) / max(
        np.log(popularity).std(), 1e-9
    )
    quality = 0.18 * standing + random.normal(0.0, 0.42, number)
    has_genre = random.random((number, len(_GENRES))) < np.array(list(_GENRES.values()))
    names = list(_GENRES)
    genres = [
        "|".join(names[n] for n in np.flatnonzero(row)) or "(no genres listed)" for row in has_genre
    ]
    of_genre = random.normal(0.0, 1.0, (len(_GENRES), N_FACTORS))
    shared = has_genre @ of_genre / np.sqrt(np.maximum(has_genre.sum(axis=1, keepdims=True), 1))
    factors = 0.7 * shared + random.normal(0.0, 0.7, (number, N_FACTORS))
    # The weight of a film in the average rating: less than its popularity, as nobody rates a
    # favourite twice.
    weight = np.sqrt(popularity) / np.sqrt(popularity).sum()
    return SimulatedFilms(
        titles=make_titles(number, random),
        years=years.astype(np.int64),
        genres=genres,
        popularity=popularity,
        popularity_up_to=popularity.cumsum(),
        quality=quality - weight @ quality,
        factors=factors - weight @ factors,
        released=((years - 1970) * _SECONDS_A_YEAR).astype(np.int64),
    )
