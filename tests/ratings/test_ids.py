"""Ids as numbers and as texts."""

from __future__ import annotations

import numpy as np
import pytest

from reelstream.errors import RatingError
from reelstream.ratings import ids as ids_module
from reelstream.ratings.ids import MAX_ID_CHARACTERS, NO_ID, Ids, TextIds, hash_of

TEXTS = [
    "0155061224",
    "342310538X",
    "B00005N7QN",
    "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "3F2504E0-4F89-41D3-9A0C-0305E82C3301",
    "Jörg Müßig",
    "12",
    "012",
]


def test_every_text_is_an_id_of_its_own() -> None:
    """Leading zeros, case, spaces and umlauts count; the hash is the same for ever."""
    ids = TextIds("movieId")
    numbers = [ids.read(text) for text in TEXTS]
    assert len(set(numbers)) == len(TEXTS)
    assert [ids.show(number) for number in numbers] == TEXTS
    assert all(0 <= number < 2**63 for number in numbers)
    assert hash_of("0155061224") == 543567324113768975
    assert ids.key(hash_of("Jörg Müßig")) == "Jörg Müßig".encode()


def test_numbers_stay_what_they_are() -> None:
    """Written as numbers, as texts, and as pandas writes a column with a gap."""
    ids = Ids.of_kinds().user
    assert [ids.read(each) for each in (862, "862", "862.0", 862.0)] == [862] * 4
    assert ids.show(862) == 862
    with pytest.raises(RatingError, match="userId 'x' is not a whole number"):
        ids.read("x")


def test_a_number_among_texts_is_its_digits() -> None:
    """JSON may hold an id of a text column as a number; space around an id means nothing."""
    ids = TextIds("userId")
    assert ids.read(12) == ids.read(12.0) == ids.read(" 12 ") == hash_of("12")
    with pytest.raises(RatingError, match="neither a text nor a whole number"):
        ids.read(1.5)


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x00", "x" * (MAX_ID_CHARACTERS + 1)])
def test_what_is_no_id_is_refused(text: str) -> None:
    """Empty texts, control characters, and texts longer than any id."""
    ids = TextIds("userId")
    with pytest.raises(RatingError, match="userId"):
        ids.read(text)
    assert ids.read_all([text, None, "a"]).tolist() == [NO_ID, NO_ID, hash_of("a")]


def test_two_texts_with_one_hash_are_never_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is refused, to store and to ask for, and the first stays."""
    monkeypatch.setattr(ids_module, "hash_of", lambda text: 7 if text in ("a", "b") else 8)
    ids = TextIds("userId")
    assert ids.read("a") == 7
    for refused in (ids.read, ids.look_up):
        with pytest.raises(RatingError, match="userId 'b' has the hash of 'a'"):
            refused("b")
    assert ids.read_all(["b", "a", "c"]).tolist() == [NO_ID, 7, 8]
    assert ids.show(7) == "a"
    ids.learn(["b"])  # a file in which the batch writer had met it first
    assert ids.show(7) == "b"
    with pytest.raises(RatingError):
        ids.read("a")


def test_what_is_asked_for_is_shown_and_not_kept_for_ever() -> None:
    """Else strangers could fill the memory of a server."""
    ids = TextIds("userId")
    number = ids.look_up("nobody")
    assert ids.show(number) == "nobody"
    for other in range(100_000):
        ids.look_up(f"stranger {other}")
    assert ids.show(number) == f"#{number}"


def test_users_are_found_by_the_beginning_of_their_text() -> None:
    """In order of the texts, whatever their hashes are."""
    ids = TextIds("userId")
    known = np.array([ids.read(text) for text in ("anna", "Anton", "bert", "ann")])
    found = ids.beginning_with("AN", known, 2)
    assert [ids.show(number) for number in found.tolist()] == ["Anton", "ann"]
