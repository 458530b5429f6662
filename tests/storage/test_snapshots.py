"""A history is what all ratings and deletions add up to, however they arrived."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import dismissals, event_columns
from reelstream.errors import DamagedError
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.histories import Histories
from reelstream.storage import snapshot_reader
from reelstream.storage.snapshot import read_snapshot, write_snapshot
from reelstream.storage.snapshot_reader import SnapshotReader
from reelstream.storage.snapshot_store import RETAINED_SNAPSHOTS, SnapshotStore

NAN = float("nan")
FIELDS = ("user_id", "item_id", "rating", "timestamp", "partition", "offset")


def rows(columns: EventColumns) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(columns, name).tolist() for name in FIELDS), strict=True))


def publish(
    store: SnapshotStore, history: Histories, manifests: list[tuple[int, int]], next_offset: int
) -> None:
    folder = store.new_folder()
    write_snapshot(history, folder)
    store.publish(folder, manifests, [2], {0: next_offset})


@st.composite
def batches(draw: st.DrawFn) -> list[EventColumns]:
    rating = st.tuples(st.integers(0, 3), st.sampled_from([1.0, 2.0, NAN]))
    what = st.one_of(rating, rating, st.just((NO_ITEM, NAN)))
    row = st.builds(
        lambda user, what, time: (user, *what, time), st.integers(0, 5), what, st.integers(0, 6)
    )
    parts = draw(st.lists(st.lists(row, max_size=12), min_size=1, max_size=4))
    offset, result = 0, []
    for part in parts:
        columns = list(zip(*part, strict=True)) or [(), (), (), ()]
        places = np.arange(offset, offset + len(part))
        result.append(event_columns(*columns, partition=places % 2, offset=places))
        offset += len(part)
    return result


def counting(columns: EventColumns) -> list[tuple[float, ...]]:
    """What counts, told one event after the other."""
    kept: dict[tuple[float, float], tuple[float, ...]] = {}
    for row in sorted(rows(columns), key=lambda row: row[3:]):
        user, item, rating = row[:3]
        if item == NO_ITEM:
            kept = {pair: other for pair, other in kept.items() if pair[0] != user}
        elif math.isnan(rating):
            kept.pop((user, item), None)
        else:
            kept[user, item] = row
    return sorted(kept.values(), key=lambda row: (row[0], row[3:]))


@given(batches())
def test_merging_batch_by_batch_equals_making_the_history_at_once(
    parts: list[EventColumns],
) -> None:
    """Merging is `of` done in steps, and both are what counts: with deletions, forgotten users and
    late ratings."""
    merged = Histories.of(parts[0])
    for part in parts[1:]:
        merged = merged.merge(part)
    whole = EventColumns.concatenate(parts)
    assert rows(merged.ratings) == rows(Histories.of(whole).ratings) == counting(whole)
    np.testing.assert_array_equal(rows(merged.tombstones), rows(Histories.of(whole).tombstones))
    for user_id in range(7):
        assert rows(merged.of_user(user_id)) == counting(whole[whole.user_id == user_id])


def test_a_deletion_beats_an_older_rating_that_arrives_later() -> None:
    """Order is by timestamp, not by arrival: an older rating does not undo a deletion."""
    history = Histories.of(event_columns([1], [7], [float("nan")], [10]))
    late = history.merge(event_columns([1], [7], [4.0], [5], offset=[1]))
    assert len(late) == 0
    assert len(late.of_user(1)) == 0
    newer = late.merge(event_columns([1], [7], [3.0], [11], offset=[2]))
    assert newer.of_user(1).rating.tolist() == [3.0]


def test_what_was_dismissed_last_is_dismissed() -> None:
    """A rating ends a dismissal, a dismissal a rating, and an erasure both."""
    history = Histories.of(dismissals([1, 1, 2], [7, 8, 7], [10, 10, 10]))
    history = history.merge(
        event_columns([1, 1, 2], [8, 7, NO_ITEM], [4.0, 5.0, NAN], [11, 9, 11], offset=[3, 4, 5])
    )
    assert history.dismissed_by(1).tolist() == [7]
    assert history.of_user(1).item_id.tolist() == [8]
    assert history.dismissed_by(2).tolist() == history.dismissed_by(3).tolist() == []
    later = history.merge(dismissals([1], [8], [12], 6))
    assert sorted(later.dismissed_by(1).tolist()) == [7, 8] and len(later) == 0
    back = later.merge(event_columns([1], [7], [NAN], [13], offset=[7]))
    assert back.dismissed_by(1).tolist() == [8]


def test_dismissals_are_saved_and_snapshots_without_them_are_read(tmp_path: Path) -> None:
    """Snapshots from before there were dismissals hold no kinds."""
    history = Histories.of(dismissals([1, 2], [7, 7], [5, 5])).merge(
        event_columns([1, 3, 4], [9, 9, NO_ITEM], [4.0, NAN, NAN], [6, 6, 6], offset=[2, 3, 4])
    )
    write_snapshot(history, tmp_path)
    for read in (read_snapshot(tmp_path), SnapshotReader(tmp_path).of_users(np.arange(9))):
        assert read.dismissed_by(1).tolist() == read.dismissed_by(2).tolist() == [7]
        assert read.tombstones.kind.tolist() == history.tombstones.kind.tolist()
    (tmp_path / "deletions_kind.npy").unlink()
    for read in (read_snapshot(tmp_path), SnapshotReader(tmp_path).of_users(np.arange(9))):
        assert rows(read.ratings) == rows(history.ratings)
        assert read.tombstones.is_erasure.tolist() == history.tombstones.is_erasure.tolist()
        assert not read.tombstones.is_dismissal.any()


def test_a_forgotten_user_stays_forgotten_whatever_comes_late() -> None:
    """Everything up to that moment, in the order of (timestamp, partition, offset); what is rated
    afterwards counts."""
    forget = event_columns([1], [NO_ITEM], [NAN], [10], [1], [5])
    history = Histories.of(event_columns([1, 1, 2], [7, 8, 7], [4.0, 2.0, 3.0], [5, 9, 5])).merge(
        forget
    )
    assert history.user_ids.tolist() == [2]
    late = event_columns([1, 1, 1], [7, 8, 9], [5.0, 5.0, 5.0], [3, 10, 10], [0, 1, 0], [8, 4, 9])
    assert len(history.merge(late)) == 1
    newer = event_columns([1, 1, 1], [7, 8, 9], [1.0, 2.0, 3.0], [10, 10, 11], [1, 2, 0], [6, 0, 0])
    assert history.merge(late).merge(newer).of_user(1).rating.tolist() == [1.0, 2.0, 3.0]


def test_merging_leaves_the_old_history_as_it_was() -> None:
    """Readers of a snapshot are not disturbed by a newer one."""
    old = Histories.of(event_columns([1, 2], [7, 7], [4.0, 2.0], [5, 5]))
    before = rows(old.ratings)
    old.merge(event_columns([1], [7], [1.0], [9]))
    assert rows(old.ratings) == before


def test_a_saved_history_comes_back_the_same(tmp_path: Path) -> None:
    """Saving and mapping change nothing, and a mapped history merges like any other."""
    history = Histories.of(event_columns([2, 1, 1], [7, 8, 9], [4.0, 2.0, float("nan")], [5, 3, 4]))
    write_snapshot(history, tmp_path)
    loaded = read_snapshot(tmp_path)
    assert rows(loaded.ratings) == rows(history.ratings)
    assert loaded.tombstones.item_id.tolist() == [9]
    assert loaded.user_ids.tolist() == [1, 2]
    assert len(loaded.merge(event_columns([3], [7], [4.0], [5]))) == 3


@pytest.mark.parametrize("chunk_rows", [1, 3, 1000])
def test_a_stored_history_is_read_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
) -> None:
    """Some users of it, or all ratings one chunk after the other: what a history in memory says,
    wherever chunks end.
    """
    rng = np.random.default_rng(4)
    stars = np.where(rng.random(90) < 0.2, NAN, 3.0)
    history = Histories.of(
        event_columns(rng.integers(0, 9, 90) * 2, rng.integers(0, 20, 90), stars, range(90))
    )
    write_snapshot(history, tmp_path)
    monkeypatch.setattr(snapshot_reader, "CHUNK_ROWS", chunk_rows)
    stored, users = SnapshotReader(tmp_path), np.array([0, 1, 6, 16, 99])
    some = stored.of_users(users)
    assert rows(some.ratings) == rows(history.of_users(users))
    assert len(some.tombstones) == np.isin(history.tombstones.user_id, users).sum() > 0
    assert some.user_ids.tolist() == np.intersect1d(users, history.user_ids).tolist()
    assert stored.ratings_of(users) == len(some)
    assert stored.user_ids.tolist() == history.user_ids.tolist()
    chunks = list(stored.ratings())
    assert max(len(chunk) for chunk in chunks) <= chunk_rows
    assert rows(EventColumns.concatenate(chunks)) == rows(history.ratings)


def test_before_the_first_snapshot_the_stored_history_is_empty(tmp_path: Path) -> None:
    stored = SnapshotStore.in_folder(tmp_path).stored()
    assert (len(stored.user_ids), stored.ratings_of(np.array([1])), list(stored.ratings())) == (
        0,
        0,
        [],
    )
    assert len(stored.of_users(np.array([1]))) == 0


def test_an_empty_history_can_be_saved(tmp_path: Path) -> None:
    """A work folder whose batches hold nothing is no special case."""
    write_snapshot(Histories.of(EventColumns.empty()), tmp_path)
    assert len(read_snapshot(tmp_path)) == 0


@pytest.mark.parametrize("name", ["starts.npy", "ratings_rating.npy", "deletions_offset.npy"])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, name: str) -> None:
    """A cut-off, missing or foreign array is an error that names the folder."""
    write_snapshot(Histories.of(event_columns([1, 2], [7, 7], [4.0, 2.0], [5, 5])), tmp_path)
    np.save(tmp_path / name, np.zeros(9))
    with pytest.raises(DamagedError, match=str(tmp_path)):
        read_snapshot(tmp_path)
    (tmp_path / name).write_bytes(b"\x93NUMPY")
    with pytest.raises(DamagedError, match=str(tmp_path)):
        read_snapshot(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(DamagedError, match=str(tmp_path)):
        read_snapshot(tmp_path)


def test_the_store_gives_back_what_was_published_last(tmp_path: Path) -> None:
    """CURRENT names the newest snapshot; its meta says what it holds; old ones go."""
    store = SnapshotStore.in_folder(tmp_path / "history")
    assert store.current() is None
    for n in range(1, 5):
        history = Histories.of(event_columns(list(range(n)), [7] * n, [4.0] * n, [5] * n))
        publish(store, history, [(i, 0) for i in range(1, n + 1)], n * 10)
    current = store.current()
    assert current is not None
    history, meta = current
    assert len(history) == meta.n_ratings == 4
    assert (meta.number, meta.manifests[-1], meta.excluded, meta.next_offsets) == (
        4,
        (4, 0),
        [2],
        {0: 40},
    )
    assert (
        len([path for path in (tmp_path / "history").iterdir() if path.is_dir()])
        == RETAINED_SNAPSHOTS
    )


def test_a_mapped_snapshot_outlives_its_removal(tmp_path: Path) -> None:
    """A server that still answers from an old snapshot is not disturbed when it is pruned."""
    store = SnapshotStore.in_folder(tmp_path)
    publish(store, Histories.of(event_columns([1], [7], [4.0], [5])), [(1, 0)], 1)
    current = store.current()
    assert current is not None
    for _ in range(3):
        publish(store, Histories.of(EventColumns.empty()), [(1, 0)], 1)
    assert not (tmp_path / "1").exists()
    assert current[0].of_user(1).rating.tolist() == [4.0]


def test_a_missing_current_snapshot_is_named(tmp_path: Path) -> None:
    """A pointer to nothing is damage, with the name of what is missing."""
    store = SnapshotStore.in_folder(tmp_path)
    (tmp_path / "CURRENT").write_text('{"number": 3, "format": 1}')
    with pytest.raises(DamagedError, match="3 is missing"):
        store.current()
