"""Rows for the producer: every line once, in order, and nothing in a line raises."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import event
from reelstream.datasets import CsvRow, detect, detect_file, line_index
from reelstream.datasets.row_parser import MAX_RAW_BYTES
from reelstream.errors import DatasetError
from reelstream.ratings.events import Rated

HEADER = b"userId,movieId,rating,timestamp\n"

HOSTILE = {
    b"one,2,3.0,4": "userId 'one' is not a whole number",
    b"1,two,3.0,4": "movieId 'two' is not a whole number",
    b"1,2,good,4": "rating 'good' is not a number",
    b"1,2,3.0,now": "timestamp 'now' is not a whole number",
    b"1,2,11.0,4": "rating 11 is not on the scale",
    b"1,2,4.3,4": "rating 4.3 is not on the scale",
    b"1,2,nan,4": "rating 'nan' is not a number",
    b"1,2,,4": "rating '' is not a number",
    b"-1,2,3.0,4": "userId -1 is not between",
    b"1,-2,3.0,4": "movieId -2 is not between",
    b"9223372036854775808,2,3.0,4": "userId 9223372036854775808 is not between",
    b"1" * 100 + b",2,3.0,4": "is not a whole number",
    b"1.5,2,3.0,4": "userId '1.5' is not a whole number",
    b"1_0,2,3.0,4": "userId '1_0' is not a whole number",
    "١,2,3.0,4".encode(): "is not a whole number",
    b"1,2,3.0,-4": "timestamp -4 is before 1970",
    b"1,2,3.0,99999999999": "more than a day after",
    b"": "the row is empty",
    b"   ": "the row is empty",
    b"1,2,3.0": "the row has 3 columns instead of 4",
    b"1,2,3.0,4,5": "the row has 5 columns instead of 4",
    b"1\x00,2,3.0,4": "is not a whole number",
    b"\x00": "columns instead of 4",
    b"\xff\xfe,2,3.0,4": "userId 'ÿþ' is not a whole number",
    b'"1,2,3.0,4': "columns instead of 4",
    b"1,2,3.0,4\r5": "is not a whole number",
    b"1," + b"x" * 1_000_000 + b",3.0,4": "the row is 1000008 bytes long, and cut to 65536",
}


def rows_of(path: Path, content: bytes, order: str = "file") -> list[CsvRow]:
    path.write_bytes(content)
    return list(detect_file(path).rows(order))  # type: ignore[arg-type]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("order", ["file", "time"])
def test_hostile_rows_come_with_their_reasons(tmp_path: Path, line_end: bytes, order: str) -> None:
    """Each is yielded as its bytes, and the good rows around it are read."""
    good = b"7,8,3.5,1000000000"
    lines = [good, *itertools.chain.from_iterable((bad, good) for bad in HOSTILE)]
    rows = rows_of(tmp_path / "ratings.csv", HEADER + line_end.join(lines) + line_end, order)
    assert [row.number for row in rows] == list(range(len(lines)))
    assert sum(row.event == Rated(7, 8, 3.5, 1_000_000_000) for row in rows) == len(HOSTILE) + 1
    bad = {row.raw: row.reason for row in rows if row.event is None}
    assert len(bad) == len(HOSTILE)
    for raw, reason in HOSTILE.items():
        assert reason in (bad[raw[:MAX_RAW_BYTES]] or "")


def test_what_csv_accepts_is_accepted(tmp_path: Path) -> None:
    """Quotes, spaces, a rating without its point, a sign."""
    lines = (b'"1","2","4.0","9"', b" 1,2 ,4,9", b"+1,2,4.00,9", b"1,2,4.,9", b"1,2,40e-1,9")
    rows = rows_of(tmp_path / "ratings.csv", HEADER + b"\n".join(lines))
    assert [row.event for row in rows] == [Rated(1, 2, 4.0, 9)] * len(lines)
    assert [row.raw for row in rows] == list(lines)


def test_the_largest_ids_are_read_whole(tmp_path: Path) -> None:
    """Ids are int64."""
    (row,) = rows_of(tmp_path / "ratings.csv", HEADER + b"9223372036854775807,0,4.0,9\n")
    assert row.event == event(2**63 - 1, 0, 4.0, 9)


@pytest.mark.parametrize(
    ("content", "raws"),
    [
        (b"", []),
        (b"\n", []),
        (b"1,2,3.0,4", [b"1,2,3.0,4"]),
        (b"1,2,3.0,4\n", [b"1,2,3.0,4"]),
        (b"1,2,3.0,4\n\n", [b"1,2,3.0,4"]),
        (b"1,2,3.0,4\r\n\r\n", [b"1,2,3.0,4"]),
        (b"1,2,3.0,4\n\n1,2,3.0,4\n", [b"1,2,3.0,4", b"", b"1,2,3.0,4"]),
        (b"\n1,2,3.0,4", [b"", b"1,2,3.0,4"]),
    ],
)
def test_a_blank_line_at_the_end_is_not_a_row(
    tmp_path: Path, content: bytes, raws: list[bytes]
) -> None:
    """Elsewhere it is a row, and an empty one."""
    assert [row.raw for row in rows_of(tmp_path / "ratings.csv", HEADER + content)] == raws


def test_order_of_time_is_stable_and_keeps_unreadable_rows_in_place(tmp_path: Path) -> None:
    """Equal times in order of the file; a row without a time behind the row before it, or first."""
    lines = b"x,x,x,x 1,1,3.0,30 1,2,3.0,10 bad worse 1,3,3.0,20 1,4,3.0,10 1,5,11,15 1,6,3.0,5"
    rows = rows_of(tmp_path / "ratings.csv", HEADER + b"\n".join(lines.split()), "time")
    in_order = b"x,x,x,x 1,6,3.0,5 1,2,3.0,10 bad worse 1,4,3.0,10 1,5,11,15 1,3,3.0,20 1,1,3.0,30"
    assert [row.raw for row in rows] == in_order.split()
    assert [row.number for row in rows] == list(range(9))


def test_real_rows_come_in_order_of_time(movielens: Path) -> None:
    """All of them, once each, none refused."""
    dataset = detect(movielens)
    columns = dataset.read_ratings()
    order = np.argsort(columns.timestamp, kind="stable")
    rows = [row.event for row in dataset.rows("time")]
    assert None not in rows
    assert [rating.timestamp for rating in rows if rating] == columns.timestamp[order].tolist()
    assert [rating.item_id for rating in rows if rating] == columns.item_id[order].tolist()


@pytest.mark.parametrize("window", [1, 7, 64, 1000])
def test_windows_leave_no_seams(
    small_dataset: Path, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    """A file is mapped and read in windows; where they meet changes nothing."""
    dataset = detect(small_dataset)
    whole = list(dataset.rows("time"))
    monkeypatch.setattr(line_index, "_WINDOW_BYTES", window)
    assert list(dataset.rows("time")) == whole


def test_rows_go_on_where_they_stopped(small_dataset: Path) -> None:
    """`start` passes over rows without changing the numbers of the rest; the length is always of
    all.
    """
    dataset = detect(small_dataset)
    rows = list(dataset.rows("time"))
    later = dataset.rows("time", start=1500)
    assert (len(later), list(later)) == (3000, rows[1500:])
    assert list(dataset.rows("time", start=3000)) == []


def test_a_time_a_day_ahead_is_the_last_that_is_taken(tmp_path: Path) -> None:
    """Clocks differ by a little, not by more."""
    now = int(time.time())
    lines = b"\n".join(b"1,2,3.0,%d" % (now + ahead) for ahead in (0, 86_000, 87_000))
    assert [bool(row.event) for row in rows_of(tmp_path / "ratings.csv", HEADER + lines)] == [
        True,
        True,
        False,
    ]


def test_an_unknown_order_is_refused(small_dataset: Path) -> None:
    """Before anything is sent."""
    with pytest.raises(DatasetError, match="'random'"):
        detect(small_dataset).rows("random")  # type: ignore[arg-type]


cells = st.text(st.sampled_from('0123456789.-+"e \x00é'), max_size=6) | st.sampled_from(
    ["1", "2.5", "978300760"]
)
lines = st.lists(cells, max_size=6).map(",".join) | st.just("1,2,3.0,978300760")


@given(st.lists(lines, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_any_lines_are_rows_in_both_orders(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[str], line_end: str
) -> None:
    """Order of time sends what order of the file sends, and each row has either a rating or a
    reason.
    """
    path = tmp_path_factory.mktemp("rows") / "ratings.csv"
    path.write_bytes(HEADER + "".join(line + line_end for line in [*chosen, "end"]).encode())
    by_file, by_time = (list(detect_file(path).rows(order)) for order in ("file", "time"))  # type: ignore[arg-type]
    assert [row.raw.decode() for row in by_file] == [*chosen, "end"]
    assert sorted(row.raw for row in by_time) == sorted(row.raw for row in by_file)
    assert all((row.event is None) != (row.reason is None) for row in by_file + by_time)


@given(st.binary(max_size=200))
def test_any_bytes_are_rows(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever follows the header, nothing raises and no byte is lost but line ends."""
    path = tmp_path_factory.mktemp("bytes") / "ratings.csv"
    content += b"\nend"
    path.write_bytes(HEADER + content)
    raws = [row.raw for row in detect_file(path).rows("time")]
    assert sum(map(len, raws)) == len(content.replace(b"\r\n", b"").replace(b"\n", b""))


def test_colons_and_quotes_in_ml_1m_are_what_the_row_parser_says(tmp_path: Path) -> None:
    """There quotes are no quotes, and single colons separate nothing."""
    path = tmp_path / "ratings.dat"
    path.write_text('1::10::4::100\n1::"20"::4::100\n1::3:x:4::100\n2::10::5::100\n')
    dataset = detect_file(path)
    events, rejected = dataset.read_accepted()
    assert events.user_id.tolist() == [1, 2]
    assert len(rejected) == len([row for row in dataset.rows("file") if row.event is None]) == 2


def test_numbers_with_leading_zeros_are_refused_not_shortened(tmp_path: Path) -> None:
    """Row by row and in columns alike: in a column of numbers, 007 is not 7."""
    lines = [b"%d,2,4.0,9" % user for user in range(1, 50)] + [b"007,2,4.0,9", b"1,02,4.0,9"]
    path = tmp_path / "ratings.csv"
    rows = rows_of(path, HEADER + b"\n".join(lines))
    reasons = [row.reason for row in rows if row.event is None]
    assert reasons == [
        "userId '007' has leading zeros: it is a text, no number",
        "movieId '02' has leading zeros: it is a text, no number",
    ]
    accepted, rejected = detect_file(path).read_accepted()
    assert len(accepted) == 49
    assert [row.reason for row in rejected] == reasons
