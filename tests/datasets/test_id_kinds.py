"""Which ids are taken for numbers, and which for texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelstream.catalog import Film
from reelstream.datasets import detect
from reelstream.datasets.id_kinds import recognise_kind
from reelstream.datasets.inspection import inspect
from reelstream.ratings.ids import Ids, hash_of

UUIDS = ["3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3F2504E0-4F89-41D3-9A0C-0305E82C3302"]
NUMBERS = [str(number) for number in range(1, 1001)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (NUMBERS, "number"),
        (["1.0", "2.0", "1e3"], "number"),  # as pandas writes a column with a gap
        ([*NUMBERS, "abc", "-1", "1.5", "", "nan", "null", "userId"], "number"),
        (["1", "2", "x"], "number"),  # one broken row of a few
        (UUIDS, "text"),
        (["0155061224", "034545104X", "3257061269"], "text"),
        (["01", "02", "03"], "text"),
        ([*NUMBERS, *(f"34{each:07d}X" for each in range(50))], "text"),
        (["B00005N7QN", "1", "Jörg Müßig", "2"], "text"),
        ([], "number"),
    ],
)
def test_what_the_values_say(values: list[str], kind: str) -> None:
    """A few broken numbers make no texts; leading zeros and letters in many ids do."""
    assert recognise_kind(values, "userId") == kind


def test_ratings_and_films_with_text_ids(tmp_path: Path) -> None:
    """Read alike row by row and in columns, in any separator, quotes and cp1252; a note says so."""
    rows = [("0155061224", 5), ("034545104X", 7), ("0155061224", 10)]
    ratings = "".join(
        f'"{user}";"{isbn}";"{rating}"\n'
        for user, (isbn, rating) in zip(["Jörg", "12", "00012"], rows, strict=True)
    )
    (tmp_path / "ratings.csv").write_bytes(
        ('"User-ID";"ISBN";"Book-Rating"\n' + ratings).encode("cp1252")
    )
    (tmp_path / "books.csv").write_bytes(
        '"ISBN";"Book-Title";"Year-Of-Publication"\n"0155061224";"Über";"1999"\n'.encode("cp1252")
    )
    dataset = detect(tmp_path)
    assert (dataset.ids.user.kind, dataset.ids.item.kind) == ("text", "text")
    assert sum("are texts" in note for note in dataset.notes) == 2
    events = [row.event for row in dataset.rows("file")]
    shown = [(dataset.ids.user.show(e.user_id), dataset.ids.item.show(e.item_id)) for e in events]
    assert shown == [("Jörg", "0155061224"), ("12", "034545104X"), ("00012", "0155061224")]
    accepted, rejected = dataset.read_accepted()
    assert not rejected
    assert list(accepted.events()) == events
    film = dataset.read_catalog().catalog.get(hash_of("0155061224"))
    assert film == Film(hash_of("0155061224"), "Über", 1999, text_id="0155061224")
    assert film.id == "0155061224"


def test_a_person_may_say_what_ids_are(tmp_path: Path) -> None:
    """Numbers read as texts keep what they are written like."""
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,timestamp\n1,31,4.0,9\n")
    dataset = detect(tmp_path).with_ids(Ids.of_kinds("text", "number"))
    (row,) = dataset.rows("file")
    assert (row.event.user_id, row.event.item_id) == (hash_of("1"), 31)


def test_films_that_nobody_rated_are_noticed(tmp_path: Path) -> None:
    """As ids count as they are written, capitals make other films."""
    ratings = "".join(f"{user},{UUIDS[0]},4.0,9\n" for user in range(1, 9))
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + ratings)
    (tmp_path / "movies.csv").write_text(f"movieId,title,genres\n{UUIDS[0].upper()},A,Drama\n")
    notes = inspect(detect(tmp_path)).notes
    assert "only 0 of 1 rated items are among the films" in notes
