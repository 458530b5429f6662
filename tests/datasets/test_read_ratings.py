"""All ratings at once: as the producer would send them, or an error that names the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelstream.datasets import detect, detect_file
from reelstream.errors import DatasetError

GOOD = "1,2,3.5,978300760"


def test_all_of_a_data_set_is_read(movielens: Path) -> None:
    """Row by row and at once are the same, in order of the file, offsets being row numbers."""
    dataset = detect(movielens)
    columns = dataset.read_ratings()
    ratings = [row.event for row in dataset.rows("file") if row.event]
    assert [rating.user_id for rating in ratings] == columns.user_id.tolist()
    assert [rating.rating for rating in ratings] == columns.rating.tolist()
    assert columns.offset.tolist() == list(range(len(ratings)))


@pytest.mark.parametrize(
    "bad",
    ["1,2,11,4", "1,2,4.3,4", "1,x,3.0,4", "-1,2,3.0,4", "1,2,3.0", "", "1,2,3.0,9999999999999"],
)
@pytest.mark.parametrize("separator", [",", "::", "\t"])
def test_the_first_bad_line_is_named(tmp_path: Path, bad: str, separator: str) -> None:
    """Lines count from 1, the header among them."""
    path = tmp_path / "ratings"
    lines = ["userId,movieId,rating,timestamp", GOOD, GOOD, bad, GOOD, "worse", GOOD]
    path.write_text("\n".join(lines).replace(",", separator))
    with pytest.raises(DatasetError, match=r"ratings, line 4: "):
        detect_file(path).read_ratings()


ids = st.integers(0, 2**63 - 1).map(str)
rows = st.tuples(
    ids, ids, st.sampled_from(["0.5", "3", "4.50", "5.0"]), st.integers(0, 10**9).map(str)
)


@given(
    st.lists(rows, min_size=1, max_size=8),
    st.sampled_from([",", "::", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_any_ratings_are_read_as_their_rows(
    tmp_path_factory: pytest.TempPathFactory,
    chosen: list[tuple[str, ...]],
    separator: str,
    line_end: str,
    quoted: bool,
) -> None:
    """In each of the three separators, and in quotes where they are CSV."""
    if quoted and separator == ",":
        chosen = [tuple(f'"{cell}"' for cell in row) for row in chosen]
    path = tmp_path_factory.mktemp("read") / "ratings"
    header = separator.join(("userId", "movieId", "rating", "timestamp"))
    path.write_bytes(line_end.join([header, *map(separator.join, chosen), ""]).encode())
    dataset = detect_file(path).with_scale(detect_file(path).scale.__class__())
    columns = dataset.read_ratings()
    expected = [row.event for row in dataset.rows("file")]
    assert None not in expected
    got = zip(columns.user_id, columns.item_id, columns.rating, columns.timestamp, strict=True)
    assert [(r.user_id, r.item_id, r.rating, r.timestamp) for r in expected if r] == list(got)


def test_a_file_that_only_csv_can_read_is_read_all_the_same(tmp_path: Path) -> None:
    """Spaces around numbers are no reason to refuse a file that the producer takes."""
    path = tmp_path / "ratings.csv"
    path.write_text(f"userId,movieId,rating,timestamp\n{GOOD}\n1 , 3,\t4.0,978300761 \n")
    assert detect_file(path).read_ratings().item_id.tolist() == [2, 3]
