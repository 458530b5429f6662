"""Numbers, times and titles as the page writes them."""

from __future__ import annotations

import pytest

from reelstream.contract import FilmAnswer, RatedFilm
from reelstream.ui.wording import age, count, date_and_time, day, film_name, plain


def film(item_id: int, title: str, year: int | None) -> FilmAnswer:
    return FilmAnswer(
        item_id=item_id, title=title, year=year, genres=[], tmdb_id=None, imdb_id=None
    )


def rated(item_id: int, title: str | None) -> RatedFilm:
    return RatedFilm(item_id=item_id, title=title, rating=4.0, timestamp=0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (12.9, "12 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 hour"),
        (90_000, "1 day"),
        (172_800, "2 days"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, words: str) -> None:
    """Whole units, rounded down; a clock that is late gives 0 s."""
    assert age(seconds) == words


def test_one_is_not_many() -> None:
    """One rating, two ratings, thousands with a comma."""
    assert count(1, "rating", "ratings") == "1 rating"
    assert count(2698, "rating", "ratings") == "2,698 ratings"


def test_times_are_utc() -> None:
    """A day and a time do not depend on the machine's time zone."""
    assert day(988_848_000) == "3 May 2001"
    assert date_and_time(988_848_061.5) == "3 May, 00:01:01"


def test_titles_lose_their_markdown() -> None:
    """A title is shown as it is, whatever Markdown would make of it."""
    assert plain("[Rec] *$9*: a_b") == r"\[Rec\] \*\$9\*\: a\_b"


def test_a_film_without_a_title_has_its_id() -> None:
    """Year and title where they are known."""
    assert film_name(film(9, "Alien", 1979)) == "Alien (1979)"
    assert film_name(film(9, "", None)) == "Movie 9"
    assert film_name(rated(9, None)) == "Movie 9"


def test_a_title_begins_with_its_article() -> None:
    """MovieLens puts articles last; the page moves them back, and touches no other comma."""
    assert film_name(film(1, "Matrix, The", 1999)) == "The Matrix (1999)"
    assert (
        film_name(film(2, "Good, the Bad and the Ugly, The", 1966))
        == "The Good, the Bad and the Ugly (1966)"
    )
    assert film_name(rated(3, "Me, Myself & Irene")) == "Me, Myself & Irene"
