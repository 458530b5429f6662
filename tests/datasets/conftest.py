"""One small folder of each known layout, written here: the same five ratings and three films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

RATINGS = [
    (1, 10, 4, 978300760),
    (1, 20, 3, 978302109),
    (2, 10, 5, 978301968),
    (2, 30, 1, 978300275),
    (7, 20, 4, 978824291),
]
FILMS = {
    10: ("Léon", 1994, ["Crime", "Drama"]),
    20: ("Matrix, The", 1999, ["Sci-Fi"]),
    30: ("Nothing", None, []),
}

_METADATA_HEADER = (
    "adult,belongs_to_collection,budget,genres,homepage,id,imdb_id,original_language,original_title,overview,popularity,"
    "poster_path,production_companies,production_countries,release_date,revenue,runtime,spoken_languages,status,tagline,"
    "title,video,vote_average,vote_count"
)


def _dated(title: str, year: int | None) -> str:
    return f"{title} ({year})" if year else title


def ml_latest(folder: Path) -> None:
    rows = [f"{u},{i},{r:.1f},{t}" for u, i, r, t in RATINGS]
    (folder / "ratings.csv").write_text("\n".join(["userId,movieId,rating,timestamp", *rows, ""]))
    films = [
        f'{i},"{_dated(t, y)}",{"|".join(g) or "(no genres listed)"}'
        for i, (t, y, g) in FILMS.items()
    ]
    (folder / "movies.csv").write_text(
        "\n".join(["movieId,title,genres", *films, ""]), encoding="utf-8"
    )
    (folder / "links.csv").write_text(
        "movieId,imdbId,tmdbId\n10,0110413,101\n20,0133093,603\n30,0000003,\n"
    )
    (folder / "tags.csv").write_text(
        "userId,movieId,tag,timestamp\n2,10,funny,1445714994\n2,10,3,1445714996\n"
    )


def ml_1m(folder: Path) -> None:
    rows = [f"{u}::{i}::{r}::{t}" for u, i, r, t in RATINGS]
    (folder / "ratings.dat").write_text("\n".join([*rows, ""]))
    films = [
        f"{i}::{_dated(t, y)}::{'|'.join(g) or '(no genres listed)'}"
        for i, (t, y, g) in FILMS.items()
    ]
    (folder / "movies.dat").write_text("\n".join([*films, ""]), encoding="latin-1")
    (folder / "users.dat").write_text("1::F::1::10::48067\n2::M::56::16::70072\n")


def ml_100k(folder: Path) -> None:
    rows = [f"{u}\t{i}\t{r}\t{t}" for u, i, r, t in RATINGS]
    (folder / "u.data").write_text("\n".join([*rows, ""]))
    (folder / "u1.base").write_text("\n".join([*rows[:3], ""]))
    (folder / "u1.test").write_text("\n".join([*rows[3:], ""]))
    flags = {"Crime": 6, "Drama": 8, "Sci-Fi": 15}
    lines = []
    for item_id, (title, year, genres) in FILMS.items():
        marks = [
            "1" if n in {flags[genre] for genre in genres} or (n == 0 and not genres) else "0"
            for n in range(19)
        ]
        lines.append(
            "|".join(
                [
                    str(item_id),
                    _dated(title, year),
                    "01-Jan-1995",
                    "",
                    "http://example.invalid",
                    *marks,
                ]
            )
        )
    (folder / "u.item").write_text("\n".join([*lines, ""]), encoding="latin-1")
    (folder / "u.user").write_text("1|24|M|technician|85711\n")
    (folder / "u.genre").write_text("unknown|0\nAction|1\n")


def the_movies_dataset(folder: Path) -> None:
    ml_latest(folder)
    (folder / "ratings.csv").rename(folder / "ratings_small.csv")
    (folder / "links.csv").rename(folder / "links_small.csv")
    (folder / "movies.csv").unlink()
    # TMDB's id 10 is another film than MovieLens's 10, and its overview runs over two lines.
    films = {101: FILMS[10], 603: FILMS[20], 10: ("Another Film", 1950, ["Western"])}
    rows = []
    for tmdb_id, (title, year, genres) in films.items():
        named = str([{"id": n, "name": genre} for n, genre in enumerate(genres)])
        rows.append(
            f'False,,0,"{named}",,{tmdb_id},tt1,en,"{title}","Two\nlines,'
            f' ""quoted""",1.0,,[],[],{year}-05-01,0,100,[],Released,,"{title}",False,7.0,9'
        )
    rows.insert(
        1,
        " - Written by Nobody,0.065,/x.jpg,\"[{'name': 'Carousel', 'id':"
        ' 1}]",[],1997-08-20,0,104,[],Released',
    )
    (folder / "movies_metadata.csv").write_text(
        "\r\n".join([_METADATA_HEADER, *rows, ""]), newline="", encoding="utf-8"
    )


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "ml-latest": ml_latest,
    "ml-1m": ml_1m,
    "ml-100k": ml_100k,
    "the-movies-dataset": the_movies_dataset,
}


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a folder of the layout that is named."""

    def write(name: str) -> Path:
        folder = tmp_path / f"folder-{name}"
        folder.mkdir()
        LAYOUTS[name](folder)
        return folder

    return write


@pytest.fixture
def expected_ratings() -> list[tuple[int, int, int, int]]:
    return RATINGS


@pytest.fixture
def expected_films() -> dict[int, tuple[str, int | None, list[str]]]:
    return FILMS
