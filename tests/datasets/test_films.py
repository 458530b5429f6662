"""What film files say, and what in them is passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelstream.catalog import Film
from reelstream.datasets import ColumnNames, detect
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
    """They are skipped and counted; every linked film is there, and what the metadata lacks has the
    title of the file beside it.
    """
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
    assert all(film.title for film in read.catalog)
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


def films_of(folder: Path, ratings: str = "1,1,4.0,9\n", **files: str) -> dict[int, Film]:
    (folder / "ratings.csv").write_text(ratings)
    for name, content in files.items():
        (folder / f"{name}.csv").write_text(content, encoding="utf-8")
    return {film.item_id: film for film in detect(folder).read_catalog().catalog}


@pytest.mark.parametrize(
    "movies",
    [
        ",movieId,title,genres\n0,10,Léon (1994),Crime|Drama\n",
        "movieId,genres,title\n10,Crime|Drama,Léon (1994)\n",
        "movieId,title,genres,year\n10,Léon (1994),Crime|Drama,1994\n",
        'year,genres,title,item_id\n1994.0,"Crime, Drama",Léon,10\n',
        "Movie-ID;Genre;Name;Release Date\n10;Crime,Drama;Léon;14/09/1994\n",
        "movieId,title,genres\n10.0,Léon (1994),\"['Crime', 'Drama']\"\n",
    ],
)
def test_the_header_of_a_film_file_is_believed(tmp_path: Path, movies: str) -> None:
    """Any order, more columns, other names, separators and ways to write several genres."""
    assert films_of(tmp_path, movies=movies) == {10: Film(10, "Léon", 1994, ("Crime", "Drama"))}


def test_a_film_file_whose_header_says_nothing_is_refused(tmp_path: Path) -> None:
    """Its columns would be guessed otherwise; the message says how to name them."""
    with pytest.raises(DatasetError, match=r"movies\.csv has no columns for item.*--columns item="):
        films_of(tmp_path, movies="nr,what,kind\n10,Heat,Crime\n")
    dataset = detect(tmp_path, ColumnNames.parse("item=nr,title=what,genres=kind"))
    assert list(dataset.read_catalog().catalog) == [Film(10, "Heat", None, ("Crime",))]


@pytest.mark.parametrize(
    "links",
    [
        "movieId,imdbId,tmdbId\n10,110413,101.0\n",
        "tmdbId,movieId,imdbId\n101,10,tt0110413\n",
        ",movieId,imdbId,tmdbId,note\n0,10,110413.0,101,x\n",
    ],
)
def test_links_are_read_however_they_were_written_back(tmp_path: Path, links: str) -> None:
    """pandas makes `101.0` of ids beside a gap, and takes zeros away."""
    films = films_of(tmp_path, links=links, movies="movieId,title,genres\n10,Léon (1994),Crime\n")
    assert films == {10: Film(10, "Léon", 1994, ("Crime",), 101, "0110413")}


def test_metadata_fills_and_takes_nothing_away(tmp_path: Path) -> None:
    """It knows one of two films here; the other keeps its own title."""
    films = films_of(
        tmp_path,
        links="movieId,imdbId,tmdbId\n10,0110413,101\n20,0133093,603\n",
        movies="movieId,title,genres\n10,Leon (1994),Crime\n20,Matrix (1999),Sci-Fi\n",
        metadata='id,title,genres,release_date\n101,Léon,"Crime, Drama",14/09/1994\n',
    )
    assert films == {
        10: Film(10, "Léon", 1994, ("Crime", "Drama"), 101, "0110413"),
        20: Film(20, "Matrix", 1999, ("Sci-Fi",), 603, "0133093"),
    }


def test_prose_that_names_columns_is_no_film_file(tmp_path: Path) -> None:
    """A README beside the films."""
    (tmp_path / "README").write_text(
        "movieId,title,genres are the columns of the films, title and all\n\nThey are real.\n"
        "The movieId title genres of each are known\n"
    )
    films = films_of(tmp_path, movies="movieId,title,genres\n10,Heat (1995),Crime\n")
    assert films == {10: Film(10, "Heat", 1995, ("Crime",))}
    assert list(detect(tmp_path).film_files) == ["movies.csv"]


def test_metadata_without_links_is_left_out_and_said(tmp_path: Path) -> None:
    """Its ids are other films' in the ratings."""
    (tmp_path / "ratings.csv").write_text("1,1,4.0,9\n")
    (tmp_path / "movies_metadata.csv").write_text(
        "id,title,genres,release_date\n1,Heat,[],1995-01-01\n"
    )
    read = detect(tmp_path).read_catalog()
    assert len(read.catalog) == 0
    assert "no links file" in read.notes[0]


def test_one_bad_byte_changes_one_title(tmp_path: Path) -> None:
    """Row by row UTF-8, or else what Windows writes."""
    (tmp_path / "ratings.csv").write_text("1,1,4.0,9\n")
    rows = [b"movieId,title,genres", "1,Łódź Café,Drama".encode(), "2,Café,Drama".encode("cp1252")]
    (tmp_path / "movies.csv").write_bytes(b"\n".join(rows))
    titles = [film.title for film in detect(tmp_path).read_catalog().catalog]
    assert titles == ["Łódź Café", "Café"]


def test_films_with_one_id_are_counted(tmp_path: Path) -> None:
    """The first counts."""
    (tmp_path / "ratings.csv").write_text("1,1,4.0,9\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n1,Heat,\n1,Heat again,\n2,Up,\n")
    read = detect(tmp_path).read_catalog()
    assert (len(read.catalog), read.repeated) == (2, 1)
    assert read.catalog.get(1) == Film(1, "Heat")
