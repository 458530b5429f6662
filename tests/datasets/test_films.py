"""What film files say, and what in them is passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelstream.datasets import detect
from reelstream.errors import DatasetError

FolderOf = Callable[[str], Path]


def test_the_movies_dataset_joins_through_the_links(folder_of: FolderOf) -> None:
    """TMDB's film 10 is not MovieLens's film 10."""
    read = detect(folder_of("the-movies-dataset")).read_catalog()
    film = read.catalog.get(10)
    assert film is not None
    assert (film.title, film.tmdb_id, film.imdb_id) == ("Léon", 101, "0110413")
    assert read.skipped == 1


def test_the_real_movies_dataset_has_three_shifted_rows(movies_dataset: Path) -> None:
    """They are skipped and counted; every linked film is there."""
    dataset = detect(movies_dataset)
    read = dataset.read_catalog()
    assert dataset.layout == "the-movies-dataset"
    assert (read.skipped, len(read.catalog)) == (3, 9125)
    film = read.catalog.get(1)
    assert film is not None
    assert (film.title, film.year, film.genres) == (
        "Toy Story",
        1995,
        ("Animation", "Comedy", "Family"),
    )
    assert sum(not film.title for film in read.catalog) == 43
    assert read.catalog.search("the matrix", 1)[0].item_id == 2571


def test_titles_lose_their_year_and_nothing_else(tmp_path: Path) -> None:
    """A span of years counts from its first; brackets within a title stay."""
    (tmp_path / "ratings.csv").write_text("1,1,4.0,9\n")
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n"
        '1,"City of Lost Children, The (Cité des enfants perdus, La) (1995)",Drama\n'
        "2,Death Note (2006–2007),(no genres listed)\n"
        "3,Babylon 5,Sci-Fi\n"
        "4,2001: A Space Odyssey (1968) ,Sci-Fi|Drama\n",
        encoding="utf-8",
    )
    catalog = detect(tmp_path).read_catalog().catalog
    assert [(film.title, film.year, film.genres) for film in catalog] == [
        ("City of Lost Children, The (Cité des enfants perdus, La)", 1995, ("Drama",)),
        ("Death Note", 2006, ()),
        ("Babylon 5", None, ("Sci-Fi",)),
        ("2001: A Space Odyssey", 1968, ("Sci-Fi", "Drama")),
    ]


def test_broken_rows_are_counted(folder_of: FolderOf) -> None:
    """One in movies.csv, one in links.csv."""
    folder = folder_of("ml-latest")
    for name, row in (("movies.csv", "not a number,Title,Drama\n"), ("links.csv", "1,2\n")):
        with (folder / name).open("a") as file:
            file.write(row)
    read = detect(folder).read_catalog()
    assert (read.skipped, len(read.catalog)) == (2, 3)


def test_genres_that_are_not_a_list_are_none(folder_of: FolderOf) -> None:
    """A film with a damaged genre cell keeps its title."""
    folder = folder_of("the-movies-dataset")
    path = folder / "movies_metadata.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace("'name': 'Sci-Fi'", "'name': "), encoding="utf-8"
    )
    film = detect(folder).read_catalog().catalog.get(20)
    assert film is not None
    assert (film.title, film.genres) == ("Matrix, The", ())


def test_a_quote_that_never_closes_is_an_error(folder_of: FolderOf) -> None:
    """Half a catalogue would look like a whole one."""
    folder = folder_of("ml-latest")
    with (folder / "movies.csv").open("a") as file:
        file.write('40,"Open' + "x" * 200_000)
    with pytest.raises(DatasetError, match=r"movies\.csv is not CSV"):
        detect(folder).read_catalog()
