"""`reelstream inspect`: what a data set is taken for, or one sentence that refuses it."""

from __future__ import annotations

from pathlib import Path

from command_line import Command

KEYS = {
    *("layout", "files", "columns", "rows", "accepted", "rejected", "reasons", "users", "items"),
    *("first", "last", "scale", "films", "film", "notes"),
}


def test_it_answers_people_and_programs(command: Command, tmp_path: Path) -> None:
    """A table, or one line of JSON; the scale and a film as they were wanted."""
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,10,0,9\n2,10,7,9\n")
    (tmp_path / "movies.csv").write_text("movieId,title,genres\n10,Heat (1995),Crime\n")
    found = command("inspect", tmp_path, "--scale", "0:10:1", "--film", 10, "--json").json
    assert set(found) == KEYS
    assert (found["accepted"], found["rejected"], found["film"]["title"]) == (2, 0, "Heat")
    assert (found["scale"]["lowest"], found["scale"]["like_threshold"]) == (0, 8)
    answer = command("inspect", tmp_path, "--film", 10)
    assert answer.code == 0
    assert "rating 0 is not on the scale" in " ".join(answer.out.split())


def test_columns_that_are_not_found_can_be_named(command: Command, tmp_path: Path) -> None:
    """Exit code 2 and one sentence; with --columns it is read."""
    (tmp_path / "ratings.csv").write_text("who,what,how\n1,10,4\n2,10,3.5\n")
    refused = command("inspect", tmp_path)
    assert (refused.code, refused.out) == (2, "")
    assert "which is the user and the item and the rating?" in refused.err
    named = command("inspect", tmp_path, "--columns", "user=who,item=what,rating=how", "--json")
    assert named.json["columns"] == {
        "user": "who",
        "item": "what",
        "rating": "how",
        "timestamp": None,
    }
