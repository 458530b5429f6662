"""LiveHistories: snapshot, batches and log add up to what counts, whoever brings a rating first."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from events import dismissals, event
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.effective import effective_ratings
from reelstream.ratings.events import Deleted, Dismissed, Rated
from reelstream.ratings.histories import Histories
from reelstream.serving.live_histories import LiveHistories, LogEvent

NAN = float("nan")


def row(
    offset: int, user: int, item: int, rating: float | None, timestamp: int, partition: int = 0
) -> LogEvent:
    return LogEvent(event(user, item, rating, timestamp), partition, offset)


def columns(rows: list[LogEvent]) -> EventColumns:
    return EventColumns.of_events(
        [each.event for each in rows],
        [each.partition for each in rows],
        [each.offset for each in rows],
    )


def places(history: EventColumns) -> list[tuple[int, float]]:
    return list(zip(history.offset.tolist(), history.rating.tolist(), strict=True))


def test_a_new_rating_counts_at_once() -> None:
    """What `add` took is in the next history."""
    histories = LiveHistories()
    before, of_another = histories.version_of(1), histories.version_of(2)
    assert histories.add([row(0, 1, 31, 4.0, 100)]) == 1
    assert places(histories.of_user(1)) == [(0, 4.0)]
    assert len(histories.of_user(2)) == 0
    assert histories.version_of(1) != before
    assert histories.version_of(2) == of_another


def test_a_rating_that_the_files_hold_is_not_taken_twice() -> None:
    """The log may lag behind the files, and the files behind the log."""
    rows = [row(0, 1, 31, 4.0, 100), row(1, 1, 7, 3.0, 101), row(2, 1, 8, 2.0, 102)]
    histories = LiveHistories()
    histories.add(rows[:2])
    histories.replace_files(Histories.of(EventColumns.empty()), columns(rows[:2]), {0: 2})
    assert histories.add(rows) == 1
    assert places(histories.of_user(1)) == [(0, 4.0), (1, 3.0), (2, 2.0)]


def test_dismissals_are_found_in_every_layer_and_end_in_every_layer() -> None:
    """Snapshot, batches and log; the newest last."""
    histories = LiveHistories()
    snapshot = Histories.of(dismissals([1, 1, 2], [31, 32, 31], [100, 101, 100]))
    histories.replace_files(snapshot, dismissals([1], [33], [102], 3), {0: 4})
    histories.add([LogEvent(Dismissed(1, 34, 99), 0, 4)])
    assert histories.dismissed_by(1).item_id.tolist() == [34, 31, 32, 33]
    assert histories.dismissed_by(2).item_id.tolist() == [31]
    assert len(histories.dismissed_by(3)) == 0
    assert (histories.last_time(1, 33), histories.last_time(1, 35)) == (102, 0)
    rated = LogEvent(Rated(1, 32, 4.0, 103), 0, 5)
    histories.add([rated, LogEvent(Deleted(1, 33, 102), 0, 6)])
    assert histories.dismissed_by(1).item_id.tolist() == [34, 31]
    assert histories.of_user(1).item_id.tolist() == [32]
    assert 2 not in histories.user_ids()


def test_a_deletion_in_the_log_beats_a_rating_in_the_snapshot() -> None:
    """And a later rating beats the deletion."""
    histories = LiveHistories()
    histories.replace_files(
        Histories.of(columns([row(0, 1, 31, 4.0, 100)])), EventColumns.empty(), {0: 1}
    )
    histories.add([row(1, 1, 31, None, 101)])
    assert places(histories.of_user(1)) == []
    histories.add([row(2, 1, 31, 5.0, 102)])
    assert places(histories.of_user(1)) == [(2, 5.0)]


def test_a_late_rating_does_not_raise_what_the_snapshot_saw_deleted() -> None:
    """The snapshot remembers its deletions."""
    snapshot = Histories.of(columns([row(0, 1, 31, None, 200)]))
    histories = LiveHistories()
    histories.replace_files(snapshot, EventColumns.empty(), {0: 1})
    histories.add([row(1, 1, 31, 4.0, 100)])
    assert len(histories.of_user(1)) == 0


def test_a_forgotten_user_is_one_that_nobody_knows() -> None:
    """Whichever layer holds the ratings, and whichever the wish; until the user rates again."""
    rows = [row(0, 1, 31, 4.0, 100), row(1, 1, 7, 3.0, 101), row(2, 1, 8, 2.0, 102)]
    histories = LiveHistories()
    histories.replace_files(Histories.of(columns(rows[:1])), columns(rows[1:2]), {0: 2})
    histories.add(rows[2:])
    histories.add([row(3, 1, NO_ITEM, None, 102), row(4, 2, NO_ITEM, None, 102)])
    assert len(histories.of_user(1)) == 0
    assert histories.user_ids().tolist() == []
    histories.add([row(5, 1, 31, 5.0, 102)])
    assert places(histories.of_user(1)) == [(5, 5.0)]
    assert histories.user_ids().tolist() == [1]


def test_all_users_of_all_layers_are_known() -> None:
    """Rising, each once."""
    histories = LiveHistories()
    histories.replace_files(
        Histories.of(columns([row(0, 5, 1, 4.0, 1)])),
        columns([row(1, 3, 1, 4.0, 1), row(2, 5, 2, 4.0, 1)]),
        {0: 3},
    )
    histories.add([row(3, 9, 1, 4.0, 1)])
    assert histories.user_ids().tolist() == [3, 5, 9]


RATINGS = st.tuples(st.integers(0, 3), st.sampled_from([None, 0.5, 3.0, 5.0]))
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2),
        RATINGS | RATINGS | st.just((NO_ITEM, None)),
        st.integers(0, 5),
        st.integers(0, 1),
    ),
    max_size=30,
)


@given(ROWS, st.integers(0, 30), st.integers(0, 30))
def test_where_a_rating_lies_makes_no_difference(
    drawn: list[tuple], first: int, second: int
) -> None:
    """However a stream is cut into snapshot, batches and log, the histories are those of the whole
    stream.
    """
    rows = [
        row(offset, user, *what, t, partition)
        for offset, (user, what, t, partition) in enumerate(drawn)
    ]
    first, second = sorted((min(first, len(rows)), min(second, len(rows))))
    histories = LiveHistories()
    histories.add(rows)
    histories.replace_files(
        Histories.of(columns(rows[:first])), columns(rows[first:second]), {0: second, 1: second}
    )
    histories.add(rows)
    assert (
        histories.user_ids().tolist()
        == np.unique(effective_ratings(columns(rows)).user_id).tolist()
    )
    for user in range(3):
        expected = effective_ratings(columns([r for r in rows if r.event.user_id == user]))
        got = histories.of_user(user)
        # Of two ratings with the same time, offset and partition order decides: the histories agree
        # with `latest`.
        assert np.array_equal(got.offset, expected.offset)


@given(ROWS, st.integers(0, 30), st.integers(0, 30))
def test_an_extended_history_is_that_which_is_looked_up(
    drawn: list[tuple], first: int, second: int
) -> None:
    """Whatever arrives after whatever came before."""
    rows = [
        row(offset, user, *what, t, partition)
        for offset, (user, what, t, partition) in enumerate(drawn)
    ]
    first, second = sorted((min(first, len(rows)), min(second, len(rows))))
    histories = LiveHistories()
    histories.replace_files(
        Histories.of(columns(rows[:first])), columns(rows[first:second]), {0: second, 1: second}
    )
    for arriving in rows[second:]:
        user = arriving.event.user_id
        history, version = histories.of_user(user), histories.version_of(user)
        histories.add([arriving])
        extended, expected = histories.extended(user, history, version), histories.of_user(user)
        if extended is not None:
            assert extended.offset.tolist() == expected.offset.tolist()
            assert extended.rating.tolist() == expected.rating.tolist()


def test_ratings_that_follow_extend_a_history() -> None:
    """New films, each later than all before; anything else is looked up."""
    histories = LiveHistories()
    histories.add([row(0, 1, 31, 4.0, 100, 0)])
    history, version = histories.of_user(1), histories.version_of(1)
    histories.add([row(1, 1, 7, 3.0, 100, 0), row(2, 1, 8, 2.0, 101, 0)])
    extended = histories.extended(1, history, version)
    assert extended is not None and extended.item_id.tolist() == [31, 7, 8]
    histories.add([row(3, 1, 9, 2.0, 50, 0)])
    assert histories.extended(1, history, version) is None
