"""What is kept of what happened."""

from __future__ import annotations

from reelstream.ratings.events import Deleted, Dismissed, Erased, Rated
from reelstream.serving.activity import MAX_KEPT, Activity


def make(seconds: float = 100.0) -> Activity:
    return Activity(clock=lambda: seconds)


def test_a_reader_sees_everything_once_and_in_order() -> None:
    """Whatever the size of the pages, though the clock stands still."""
    activity = make()
    for number in range(7):
        activity.note("batch", number=number)
    cursor, seen = 0, []
    while (page := activity.after(cursor, 3)).items:
        seen += [each.number for each in page.items]
        cursor = page.next
    assert seen == list(range(7))
    assert activity.after(cursor, 3) == ([], cursor, False)
    assert [each.number for each in activity.after(None, 2).items] == [5, 6]


def test_a_reader_that_comes_late_is_told() -> None:
    """Only so many are kept, and nothing from before the server's start."""
    activity = make()
    first = activity.after(None, 1).next
    for number in range(MAX_KEPT):
        activity.note("batch", number=number)
    assert not activity.after(first, 1).missed
    activity.note("batch", number=MAX_KEPT)
    page = activity.after(first, 1)
    assert page.missed and page.items[0].number == 1
    assert make(seconds=200.0).after(first, 1).missed


def test_an_erased_user_is_forgotten_here_too() -> None:
    """What others did stays."""
    activity = make()
    activity.note_event(Rated(1, 31, 4.0, 10), (3.5, 0.9))
    activity.note_event(Rated(2, 31, 3.0, 11))
    activity.note_event(Deleted(1, 31, 12))
    activity.note_event(Dismissed(1, 32, 12))
    activity.note_event(Dismissed(2, 32, 12))
    activity.note_event(Erased(1, 13))
    kept = activity.after(0, 10).items
    assert [(each.kind, each.user_id, each.item_id) for each in kept] == [
        ("rating", 2, 31),
        ("dismissal", 2, 32),
        ("erasure", 1, None),
    ]
