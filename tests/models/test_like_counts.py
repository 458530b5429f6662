"""Likes of items are counted outside the holdout, however many ratings are counted at once."""

from __future__ import annotations

import numpy as np
import pytest

from events import event_columns
from reelstream.features.holdout import is_trainable
from reelstream.models.like import fit
from reelstream.models.like.fit import count_likes
from reelstream.ratings.histories import Histories


@pytest.mark.parametrize("at_once", [7, 10**6])
def test_likes_are_counted_in_parts_as_at_once(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A threshold that binary numbers meet only nearly: 4.1 on a scale in tenths."""
    monkeypatch.setattr(fit, "COUNTED_ROWS", at_once)
    users, items = np.indices((40, 9)).reshape(2, -1)
    stars = np.where(users % 2, np.float32(4.1), np.float32(4.0))
    histories = Histories.of(event_columns(users, items, stars, np.arange(len(users))))
    counted = count_likes(histories, 4.1)
    learned = histories.ratings[is_trainable(histories.ratings)]
    for row, item in enumerate(counted.items.ids.tolist()):
        own = learned.rating[learned.item_id == item]
        assert counted.item_ratings[row] == len(own)
        assert counted.item_likes[row] == (own >= 4.1).sum()
    assert 0 < counted.item_likes.sum() < len(learned)
