"""A header is believed or refused, never half used."""

from __future__ import annotations

from pathlib import Path

import pytest

from reelstream.datasets import ColumnNames, detect, detect_file
from reelstream.errors import DatasetError
from reelstream.ratings.events import Rated

EXPECTED = [Rated(1, 10, 4.0, 978300760), Rated(2, 20, 3.5, 978302109)]


def read(path: Path, columns: str = "") -> list[object]:
    """What the producer would send, which is also what is read at once."""
    dataset = detect_file(path, ColumnNames.parse(columns) if columns else ColumnNames())
    rows = [row.event or row.reason for row in dataset.rows("file")]
    assert list(dataset.read_ratings().events()) == rows
    return list(rows)


@pytest.mark.parametrize(
    "lines",
    [
        ["movieId,userId,score,timestamp", "10,1,4,978300760", "20,2,3.5,978302109"],
        [",userId,movieId,rating,timestamp", "0,1,10,4,978300760", "1,2,20,3.5,978302109"],
        ["User-ID;ISBN;Book-Rating;Date", "1;10;4,0;978300760", "2;20;3,5;978302109"],
        ["rated_at|stars|anime_id|note|uid", "978300760|4|10|x|1", "978302109|3.5|20||2"],
        ["userId movieId rating timestamp", "1 10 4 978300760", "2 20 3.5 978302109"],
        ["sep=;", "userId;movieId;rating;timestamp", "1;10;4;978300760", "2;20;3,5;978302109"],
        ['"user_id"\t"item_id"\t"rating"\t"time"', "1\t10\t4\t978300760", "2\t20\t3.5\t978302109"],
        [
            '{"timestamp":978300760,"userId":1,"x":[],"movieId":10,"rating":4}',
            '{"userId":"2","movieId":20.0,"rating":3.5,"timestamp":"2000-12-31T22:35:09Z"}',
        ],
    ],
)
def test_a_header_names_the_columns(tmp_path: Path, lines: list[str]) -> None:
    """In any order, in any separator, with more columns beside them."""
    path = tmp_path / "ratings"
    path.write_text("\n".join(lines) + "\n")
    assert read(path) == EXPECTED


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        ("who,what,how,when", "user and the item and the rating"),
        ("userId,what,rating,timestamp", "the item"),
        ("userId,movieId,how,timestamp", "the rating"),
    ],
)
def test_a_header_that_names_too_little_is_refused(
    tmp_path: Path, header: str, missing: str
) -> None:
    """With what it says, and how to name the rest; then it is read."""
    path = tmp_path / "ratings.csv"
    path.write_text(f"{header}\n1,10,4,978300760\n2,20,3.5,978302109\n")
    for refuse in (detect_file, lambda path: detect(path.parent)):
        with pytest.raises(
            DatasetError, match=f"{header.replace(',', ', ')}.*{missing}.*--columns"
        ):
            refuse(path)
    names = zip(("user", "item", "rating", "timestamp"), header.split(","), strict=True)
    assert read(path, ",".join(f"{role}={name}" for role, name in names)) == EXPECTED


def test_columns_may_be_given_by_number(tmp_path: Path) -> None:
    """For a file without a header that no layout knows; or with one."""
    path = tmp_path / "ratings.csv"
    path.write_text("4,x,10,1\n3.5,y,20,2\n")
    with pytest.raises(DatasetError, match="holds no ratings"):
        detect_file(path)
    expected = [Rated(1, 10, 4.0, 946_684_800), Rated(2, 20, 3.5, 946_684_800)]
    assert read(path, "user=4,item=3,rating=1") == expected
    path.write_text("a,b,c,d\n4,x,10,1\n3.5,y,20,2\n")
    assert read(path, "user=4,item=3,rating=1") == expected


def test_without_a_header_the_order_is_an_assumption_and_said(tmp_path: Path) -> None:
    """By position, as the known layouts have it."""
    path = tmp_path / "ratings.csv"
    path.write_text("1,10,4,978300760\n2,20,3.5,978302109\n")
    assert read(path) == EXPECTED
    assert "by position" in detect_file(path).notes[0]


def test_without_times_all_ratings_have_one(tmp_path: Path) -> None:
    """The same on every day, so that a later run sends the same; and it is said."""
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n1,10,4\n2,20,3.5\n")
    assert read(path) == [Rated(1, 10, 4.0, 946_684_800), Rated(2, 20, 3.5, 946_684_800)]
    assert list(detect_file(path).rows("time")) == list(detect_file(path).rows("file"))
    assert "one fixed time" in detect_file(path).notes[0]


def test_of_two_columns_that_could_be_meant_one_is_taken_and_said(tmp_path: Path) -> None:
    """`--columns` names the other."""
    path = tmp_path / "ratings.csv"
    path.write_text("userId,movieId,rating,score,timestamp\n1,10,4,1,978300760\n")
    assert read(path) == EXPECTED[:1]
    assert "rating is taken for the rating, not score" in detect_file(path).notes[0]
    assert read(path, "rating=score") == [Rated(1, 10, 1.0, 978300760)]


@pytest.mark.parametrize("text", ["user", "user=", "film=x", "user=a,,item=b"])
def test_columns_that_cannot_be_understood_are_refused(text: str) -> None:
    """With the way to write them."""
    with pytest.raises(DatasetError, match="--columns user="):
        ColumnNames.parse(text)


@pytest.mark.parametrize(
    ("row", "event"),
    [
        ("1.0,10.0,4.0,978300760.0", EXPECTED[0]),
        ("1,10,4.0,978300760123", EXPECTED[0]),
        ("1,10,4.0,2000-12-31 22:12:40", EXPECTED[0]),
        ("1,10,4.0,2000-12-31T22:12:40.9Z", EXPECTED[0]),
        ("1,10,4.0,2001-01-01T00:12:40+0200", EXPECTED[0]),
        ("1,10,4.0,2001-01-01", Rated(1, 10, 4.0, 978307200)),
        ("1,10,null,978300760", "rating 'null' is not a number"),
        ("1,10,0,978300760", "rating 0 is not on the scale 0.5 to 5 in steps of 0.5: it is taken "
                             "for unrated"),
        ("1,10,4.0,9.78E+08", "timestamp '9.78E+08' is not a whole number of seconds, nor an ISO "
                              "8601 time"),
        ("1,10,4.0,2001-02-30", "timestamp '2001-02-30' is not a time: day is out of range for "
                                "month"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("repeats", [1, 3])
def test_values_are_taken_in_every_common_spelling(
    tmp_path: Path, row: str, event: object, repeats: int
) -> None:
    """Among plain rows and by themselves; text deletes nothing, digits that are gone are not
    guessed.
    """
    path = tmp_path / "ratings.csv"
    plain = "2,20,3.5,978302109"
    path.write_text("\n".join(["userId,movieId,rating,timestamp", plain, *[row] * repeats]))
    dataset = detect_file(path)
    assert [each.event or each.reason for each in dataset.rows("file")] == [
        EXPECTED[1],
        *[event] * repeats,
    ]
    (block,) = dataset.blocks()
    assert [each.reason for each in block.rejected] == [event] * (
        repeats if isinstance(event, str) else 0
    )
    assert len(block.events) + len(block.rejected) == 1 + repeats


def test_rows_in_milliseconds_are_sent_in_order_of_time(tmp_path: Path) -> None:
    """Seconds and milliseconds in one file are compared as times."""
    path = tmp_path / "ratings.csv"
    path.write_text("1,10,4,978302109000\n2,20,3.5,978300760\n3,20,3.5,978303000000\n")
    assert [row.event.user_id for row in detect_file(path).rows("time") if row.event] == [2, 1, 3]


@pytest.mark.parametrize("above", ["\n\n", "# exported by\n# somebody\n", "sep=,\n\n", "Ratings\n"])
def test_a_header_may_stand_below_other_lines(tmp_path: Path, above: str) -> None:
    """By position the columns would be swapped, as the header names the item first."""
    path = tmp_path / "ratings.csv"
    path.write_text(f"{above}movieId,userId,rating,timestamp\n20,1,4,978300760\n")
    assert list(detect_file(path).read_ratings().events()) == [Rated(1, 20, 4.0, 978_300_760)]
    lines = [detect_file(path).line_of(row) for row in detect_file(path).rows("file")]
    assert lines == [above.count("\n") + 2]


@pytest.mark.parametrize("text", ['[{"userId":1,"movieId":2,"rating":3}]', '[\n{\n"userId":1}]'])
def test_a_list_of_json_is_refused_with_the_way_out(tmp_path: Path, text: str) -> None:
    """It would be taken for a table without rows."""
    path = tmp_path / "ratings.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match="one object on each line"):
        detect_file(path)
