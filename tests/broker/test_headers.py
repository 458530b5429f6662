"""Which row a record came from: many at once as one by one."""

from hypothesis import example, given
from hypothesis import strategies as st

from reelstream.broker.headers import row_prefix, rows_of_one_source, source_row

PREFIX = row_prefix("s:time", 3)
values = st.one_of(
    st.none(),
    st.integers(0, 10**18).map(lambda row: PREFIX + b"%d" % row),
    st.sampled_from(
        [
            b"",
            b"7",
            PREFIX,
            PREFIX * 2 + b"1",
            PREFIX + b"1,2",
            PREFIX + b"1\n" + PREFIX + b"2",
            b"x/3/1",
        ]
    ),
    st.sampled_from(
        [
            PREFIX + b"-1",
            PREFIX + b" 1",
            PREFIX + b"1 ",
            PREFIX + b"0x1",
            PREFIX + b"1_0",
            b"s:time/03/4",
        ]
    ),
)
headers = st.one_of(
    values.map(lambda value: [("row", value)]),
    st.sampled_from([[], [("row", PREFIX + b"1"), ("reason", b"x")], [("other", PREFIX + b"1")]]),
)


@given(st.lists(headers, max_size=6))
@example([[("row", PREFIX + b"%d" % row)] for row in range(6)])
@example([[("row", PREFIX + b"1,2")], [("row", PREFIX)], [("row", PREFIX + b"3")]])
@example([[("row", PREFIX + b"1\n" + PREFIX + b"2")], [("row", b"")]])
@example([[("row", b"s:time/3/1\n")], [("row", PREFIX + b"2")]])
def test_rows_at_once_are_those_of_one_by_one(many: list[list[tuple[str, bytes | None]]]) -> None:
    """The quick way says nothing, or what the careful way says of each."""
    found = rows_of_one_source(many)
    singles = [source_row(dict(each)) for each in many]
    if found is not None:
        source, rows = found
        assert [(single.source, single.row) for single in singles if single] == [
            (source, row) for row in rows.tolist()
        ]
        assert all(len(each) == 1 for each in many)


def test_what_a_producer_sends_is_read_at_once() -> None:
    """Plain ratings of one source take the quick way."""
    found = rows_of_one_source([[("row", PREFIX + b"%d" % row)] for row in (5, 9, 10**17)])
    assert found is not None
    assert (found[0], found[1].tolist()) == ("s:time", [5, 9, 10**17])
