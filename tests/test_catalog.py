"""The catalogue: what is found by a title, and that it survives the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelstream.catalog import Catalog, Film
from reelstream.errors import DamagedError, InputError, StorageError

FILMS = [
    Film(1, "Matrix Reloaded, The", 2003, ("Action",)),
    Film(2, "Matrix, The", 1999, ("Action", "Sci-Fi"), 603, "0133093"),
    Film(3, "Amélie (Fabuleux destin d'Amélie Poulain, Le)", 2001, ("Romance",)),
    Film(4, "Heat", 1995, ("Crime",)),
    Film(5, "Heat", 1986),
    Film(6, "Wheat Fields", 2005),
    Film(7, "Body Heat", 1981),
    Film(8, "Ocean's Eleven", 2001),
    Film(9, ""),
    Film(10, "$", 1971),
]
CATALOG = Catalog(FILMS)


def found(query: str, limit: int = 20, popularity: dict[int, int] | None = None) -> list[int]:
    return [film.item_id for film in CATALOG.search(query, limit, popularity)]


@pytest.mark.parametrize("query", ["the matrix", "The MATRIX", "Matrix, The", "matrix  the!"])
def test_an_article_is_found_on_either_side_of_its_title(query: str) -> None:
    """People type `the matrix`, MovieLens writes `Matrix, The`."""
    assert sorted(found(query)) == [1, 2]


def test_the_exact_title_comes_first() -> None:
    """Exact, then the beginning, then whole words, then parts of words."""
    assert found("the matrix") == [2, 1]
    assert found("heat") == [4, 5, 7, 6]


def test_the_popular_film_of_two_alike_comes_first() -> None:
    """Popularity orders films that fit alike, and no others."""
    assert found("heat", popularity={5: 10, 6: 1000}) == [5, 4, 7, 6]


def test_words_are_found_anywhere_and_in_any_order() -> None:
    """Every word has to be there; the year is one."""
    assert found("eleven oceans") == [8]
    assert found("heat 1986") == [5]
    assert found("heat 1987") == []


def test_accents_may_be_left_out() -> None:
    """Not every keyboard has an é."""
    assert found("amelie") == [3]
    assert found("AMÉLIE poulain") == [3]


@pytest.mark.parametrize(
    ("query", "item_ids"),
    [
        ("amleie", [3]),
        ("the matirx", [2, 1]),
        ("teh matrix reloadde", [1]),
        ("oceanseleven", [8]),
        ("whaet field", [6]),
        ("maxtirxx", []),
    ],
)
def test_typing_errors_are_forgiven(query: str, item_ids: list[int]) -> None:
    """Letters that are swapped, missing or wrong, about one in four, and missing spaces."""
    assert found(query) == item_ids


def test_what_is_typed_right_finds_nothing_else() -> None:
    """`heat` is not `heart`, as long as there is a `heat`."""
    assert 4 in found("heat") and 2 not in found("heat")
    assert found("body heat") == [7]


def test_films_by_genre_and_order() -> None:
    """By title, the newest first, the popular first; a genre that no film has is a mistake."""

    def ids(**wanted: Any) -> list[int]:
        return [film.item_id for film in CATALOG.find(**wanted)]

    assert ids(genres=["Crime", "Sci-Fi"], order="title") == [4, 2]
    assert ids(query="heat", order="year") == [6, 4, 5, 7]
    assert ids(query="heat", popularity={7: 3, 5: 9}, order="popular") == [5, 7, 4, 6]
    assert ids(order="year")[0] == 6 and len(ids()) == len(FILMS) - 1
    with pytest.raises(InputError, match="name one of Action, Crime"):
        CATALOG.find(genres=["Nothing"])


def test_a_title_of_signs_only_is_found() -> None:
    """`$` is a film of 1971."""
    assert found("$") == [10]


def test_limit_cuts_the_tail() -> None:
    """The first of the order stay."""
    assert found("heat", limit=2) == [4, 5]
    assert found("heat", limit=0) == []


def test_an_empty_query_finds_what_has_a_title() -> None:
    """A film that is known by its id only cannot be shown in a list of titles."""
    assert set(found("")) == {film.item_id for film in FILMS} - {9}


def test_get_knows_ids() -> None:
    """None for a film that is not there."""
    assert CATALOG.get(2) == FILMS[1]
    assert CATALOG.get(77) is None
    assert len(CATALOG) == len(FILMS)


def test_genres_are_sorted_and_named_once() -> None:
    """All films' together."""
    assert CATALOG.genres == ("Action", "Crime", "Romance", "Sci-Fi")


def test_the_first_of_two_films_with_one_id_counts() -> None:
    """A repeated row in a film file changes nothing."""
    assert [film.title for film in Catalog([Film(1, "a"), Film(1, "b")])] == ["a"]


films = st.builds(
    Film,
    item_id=st.integers(0, 2**63 - 1),
    title=st.text(max_size=30),
    year=st.none() | st.integers(1880, 2030),
    genres=st.lists(st.text(min_size=1, max_size=8), max_size=3).map(tuple),
    tmdb_id=st.none() | st.integers(0, 10**7),
    imdb_id=st.none() | st.from_regex(r"[0-9]{7}", fullmatch=True),
)


@given(st.lists(films, max_size=8))
def test_a_catalogue_survives_the_disk(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[Film]
) -> None:
    """Order, empty titles and odd signs included."""
    path = tmp_path_factory.mktemp("catalog") / "films.json"
    Catalog(chosen).write(path)
    assert list(Catalog.read(path)) == list(Catalog(chosen))


@given(films.filter(lambda film: bool(film.title.strip())))
def test_every_titled_film_is_found_by_its_own_title(film: Film) -> None:
    """Whatever signs the title is made of."""
    assert Catalog([film]).search(film.title, 1) == [film]


def test_what_is_not_a_catalogue_is_refused(tmp_path: Path) -> None:
    """Damage is named, and so is another format."""
    path = tmp_path / "films.json"
    for content in (
        "{",
        '{"format": 2, "films": []}',
        '{"format": 1, "films": [{"title": "no id"}]}',
    ):
        path.write_text(content)
        with pytest.raises(DamagedError, match=r"films\.json"):
            Catalog.read(path)
    with pytest.raises(StorageError):
        Catalog.read(tmp_path / "missing.json")


def test_an_open_catalogue_takes_over_what_is_written(tmp_path: Path) -> None:
    """Whoever holds it finds the new films, by id and by title, and their genres."""
    path = tmp_path / "films.json"
    catalog = Catalog.in_file(path)
    assert (len(catalog), catalog.search("heat", 5), catalog.refresh()) == (0, [], False)
    Catalog(FILMS[:4]).write(path)
    assert (catalog.refresh(), catalog.refresh()) == (True, False)
    assert catalog.search("heat", 5) == [FILMS[3]]
    Catalog([*FILMS[:4], Film(11, "Heat Wave", 2010, ("Comedy",))]).write(path)
    assert catalog.refresh()
    assert [film.item_id for film in catalog.search("heat", 5)] == [4, 11]
    assert "Comedy" in catalog.genres
    path.write_text("{")
    with pytest.raises(DamagedError):
        catalog.refresh()
    assert catalog.get(11) is not None


def test_newer_films_add_and_change_and_take_nothing_away() -> None:
    """What only the older catalogue says stays."""
    older = Catalog([Film(1, "Heat", 1995, ("Crime",), 949, "0113277"), Film(2, "Gone", 1999)])
    newer = Catalog([Film(1, "Heat!", None, ("Drama",)), Film(3, "New", 2020)])
    assert list(older.updated_with(newer)) == [
        Film(1, "Heat!", 1995, ("Drama",), 949, "0113277"),
        Film(2, "Gone", 1999),
        Film(3, "New", 2020),
    ]
