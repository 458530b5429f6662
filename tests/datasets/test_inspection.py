"""What a data set is taken for, before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelstream.datasets import detect
from reelstream.datasets.inspection import FilmCounts, Reason, inspect
from reelstream.ratings.events import Rated
from reelstream.ratings.scale import RatingScale


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ratings.csv").write_text(
        "movieId,userId,score\n10,1,4\n10,2,0\n20,x,3\n20,y,3\n20,2,5\n10,3,0\n30,1\n"
    )
    (tmp_path / "movies.csv").write_text(
        "movieId,title,genres\n10,Heat (1995),Crime\n20,Up,\n20,Up,\nx,Lost,\n"
    )
    return tmp_path


def test_everything_that_was_read_is_said(folder: Path) -> None:
    """Columns, counts, times, scale, films, and what was assumed or rejected."""
    heard: list[tuple[int, int]] = []
    found = inspect(detect(folder), 10, lambda done, total: heard.append((done, total)))
    assert found.layout == "ml-latest"
    assert {Path(path).name for path in found.files.values()} == {"ratings.csv", "movies.csv"}
    assert found.columns == {
        "user": "userId",
        "item": "movieId",
        "rating": "score",
        "timestamp": None,
    }
    assert (found.rows, found.accepted, found.rejected) == (7, 2, 5)
    assert found.reasons == [
        Reason(
            reason="rating 0 is not on the scale 0.5 to 5 in steps of 0.5: it is taken for unrated",
            rows=2,
            first_line=3,
        ),
        Reason(reason="userId 'x' is not a whole number", rows=2, first_line=4),
        Reason(reason="the row has 2 columns instead of 3", rows=1, first_line=8),
    ]
    assert (found.users, found.items) == (2, 2)
    assert found.first == found.last == 946_684_800
    assert found.scale == RatingScale()
    assert found.films == FilmCounts(total=2, titled=2, with_year=1, with_genres=1, skipped=1)
    assert found.film == {
        "movieId": 10,
        "title": "Heat",
        "year": 1995,
        "genres": ["Crime"],
        "tmdbId": None,
        "imdbId": None,
    }
    assert [note.split(":")[0] for note in found.notes] == [
        "no column has times",
        "1 films have the id of a film before them",
        "1 of 2 films have no year",
        "1 of 2 films have no genres",
    ]
    assert found.first_rows == [Rated(1, 10, 4.0, 946_684_800), Rated(2, 20, 5.0, 946_684_800)]
    assert heard[-1] == (7, 7)


def test_it_counts_what_the_producer_would_send(small_dataset: Path) -> None:
    """The same rows, users and items."""
    dataset = detect(small_dataset)
    events = [row.event for row in dataset.rows("time")]
    found = inspect(dataset)
    assert (found.accepted, found.rejected, found.film) == (len(events), 0, None)
    assert found.users == len({event.user_id for event in events if event})
    assert found.last == max(event.timestamp for event in events if event)
