"""Numbers, times and titles as the page writes them."""

from __future__ import annotations

import pytest

from reelstream.contract import FilmAnswer, RatedFilm
from reelstream.ui.formatting import film_name, plain, sentence
from reelstream.ui.words import Words, language_of

ENGLISH, INDONESIAN = Words("en"), Words("id")


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
    assert ENGLISH.age(seconds) == words


def test_one_is_not_many() -> None:
    """One rating, two ratings; Indonesian has one form."""
    assert ENGLISH.count("ratings", 1) == "1 rating"
    assert ENGLISH.count("ratings", 2698) == "2,698 ratings"
    assert INDONESIAN.count("ratings", 2698) == "2.698 rating"


def test_numbers_have_the_marks_of_the_language() -> None:
    """Point and comma change places in Indonesian."""
    assert ENGLISH.decimal(12345.678) == "12,345.68"
    assert INDONESIAN.decimal(12345.678) == "12.345,68"
    assert (ENGLISH.rating(4.5), INDONESIAN.rating(4.5), ENGLISH.rating(4.0)) == ("4.5", "4,5", "4")
    assert (ENGLISH.score(None), ENGLISH.score(0.87654)) == ("–", "0.877")


def test_times_are_utc() -> None:
    """A day and a time do not depend on the machine's time zone or language."""
    assert ENGLISH.day(988_848_000) == "3 May 2001"
    assert INDONESIAN.day_and_time(988_848_061.5) == "3 Mei, 00:01:01"


@pytest.mark.parametrize(
    ("locale", "language"),
    [("id-ID", "id"), ("id", "id"), ("in_ID", "id"), ("de-DE", "en"), ("", "en"), (None, "en")],
)
def test_the_browser_chooses_the_language(locale: str | None, language: str) -> None:
    """Indonesian where the browser prefers it, else English."""
    assert language_of(locale) == language


def test_titles_lose_their_markdown() -> None:
    """A title is shown as it is, whatever Markdown would make of it."""
    assert plain("[Rec] *$9*: a_b") == r"\[Rec\] \*\$9\*\: a\_b"
    assert sentence("set 4 is damaged") == r"Set 4 is damaged\."


def test_a_film_without_a_title_has_its_id() -> None:
    """Year and title where they are known."""
    assert film_name(film(9, "Alien", 1979)) == "Alien (1979)"
    assert film_name(film(9, "", None)) == "#9"
    assert film_name(rated(9, None)) == "#9"


def test_a_title_begins_with_its_article() -> None:
    """MovieLens puts articles last; the page moves them back, and touches no other comma."""
    assert film_name(film(1, "Matrix, The", 1999)) == "The Matrix (1999)"
    assert (
        film_name(film(2, "Good, the Bad and the Ugly, The (Buono, Il)", 1966))
        == "The Good, the Bad and the Ugly (Buono, Il) (1966)"
    )
    assert film_name(rated(3, "Me, Myself & Irene")) == "Me, Myself & Irene"
