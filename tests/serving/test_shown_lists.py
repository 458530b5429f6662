"""Lists of films: their pages, and what became of them."""

from __future__ import annotations

from reelstream.serving.shown_lists import MAX_LISTS, MAX_OF_USER, ShownLists


def test_a_page_goes_on_with_its_list() -> None:
    """What came before it is known, for its own user alone."""
    lists = ShownLists()
    first = lists.show(1, [10, 11])
    assert lists.before(first, 1, 2) == [10, 11]
    assert lists.before(first, 2, 2) is None and lists.before("other", 1, 0) is None
    assert lists.show(1, [12, 13], first, [10, 11]) == first
    assert lists.before(first, 1, 4) == [10, 11, 12, 13]
    assert lists.before(first, 1, 5) is None
    # The second page once more, which a rating has changed meanwhile.
    assert lists.show(1, [14], first, [10, 11]) == first
    assert lists.before(first, 1, 3) == [10, 11, 14]


def test_the_same_list_is_counted_once() -> None:
    """A page that is drawn again is no other list."""
    lists = ShownLists()
    assert lists.show(1, [10, 11]) == lists.show(1, [10, 11]) != lists.show(1, [11, 10])
    assert lists.counts.shown == 2


def test_hits_are_counted_with_what_was_missed() -> None:
    """Of ratings by those who saw a list; a list is hit once."""
    lists = ShownLists()
    lists.note_rating(1, 10)
    lists.show(1, [10, 11])
    lists.show(2, [10, 11])
    for user_id, item_id in ((1, 10), (1, 11), (1, 99), (3, 10)):
        lists.note_rating(user_id, item_id)
    counts = lists.counts
    assert (counts.shown, counts.hit, counts.ratings, counts.listed) == (2, 1, 3, 2)


def test_the_oldest_lists_go_first() -> None:
    """Of a user, and of all."""
    lists = ShownLists()
    own = [lists.show(1, [item_id]) for item_id in range(MAX_OF_USER + 1)]
    assert lists.before(own[0], 1, 1) is None and lists.before(own[1], 1, 1) == [1]
    others = [lists.show(2 + n, [5]) for n in range(MAX_LISTS)]
    assert lists.before(own[-1], 1, 1) is None and lists.before(others[0], 2, 1) == [5]
    lists.note_rating(1, MAX_OF_USER)
    assert lists.counts.ratings == 0


def test_an_erased_user_has_no_lists() -> None:
    """They say what he or she likes."""
    lists = ShownLists()
    own = lists.show(1, [10])
    lists.forget(1)
    lists.forget(2)
    assert lists.before(own, 1, 1) is None
