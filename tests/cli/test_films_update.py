"""Films that are added or corrected after the work folder was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Command

from reelstream.catalog import Catalog

HEADER = "movieId,title,genres\n"


@pytest.fixture
def data(command: Command, tmp_path: Path) -> Path:
    """A data set that was sent to the work folder `w`."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,4,100\n")
    (folder / "movies.csv").write_text(HEADER + "10,Het (1995),Crime\n")
    assert command("produce", "--data", folder, "--work", "w").code == 0
    return folder


def test_the_next_command_takes_changed_films_over(command: Command, data: Path) -> None:
    """And says how many; what did not change is not mentioned."""
    assert "films" not in command("produce", "--work", "w").err
    (data / "movies.csv").write_text(HEADER + "10,Heat (1995),Crime\n20,New (2020),Drama\n")
    assert "1 added, 1 changed" in command("produce", "--work", "w").err
    films = {film.item_id: film.title for film in Catalog.read(Path("w/films.json"))}
    assert films == {10: "Heat", 20: "New"}


def test_films_are_updated_from_a_file_of_their_own(
    command: Command, data: Path, tmp_path: Path
) -> None:
    """A catalogue that is open takes them over; nothing known is lost."""
    catalog = Catalog.in_file(Path("w/films.json"))
    path = tmp_path / "new.csv"
    path.write_text(HEADER + "20,New (2020),Drama\n10,Heat,\n")
    answer = command("films", "update", path, "--work", "w", "--json")
    assert answer.json == {"films": 2, "added": 1, "changed": 1}
    assert catalog.refresh()
    film = catalog.get(10)
    assert film is not None
    assert (film.title, film.year, film.genres) == ("Heat", 1995, ("Crime",))
    assert "0 added, 0 changed" in command("films", "update", tmp_path, "--work", "w").out
    assert not catalog.refresh()


def test_what_is_no_film_file_is_refused(command: Command, data: Path, tmp_path: Path) -> None:
    """In one sentence; the films stay."""
    for wrong in (data / "ratings.csv", tmp_path / "missing"):
        answer = command("films", "update", wrong, "--work", "w")
        assert (answer.code, len(answer.err.splitlines())) == (2, 1)
    assert len(json.loads(Path("w/films.json").read_text())["films"]) == 1
