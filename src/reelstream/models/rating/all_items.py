"""The expected stars of all films at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.models.rating.model import RatingModel
from reelstream.models.rating.online_items import OnlineItems
from reelstream.models.rating.user_state import UserBeliefs


def mean_of_all(
    model: RatingModel, items: OnlineItems, item_ids: NDArray[np.int64], belief: UserBeliefs
) -> NDArray[np.float32]:
    """The expected rating (n,) of each item, by the belief about one user.

    The same as `ModelSet.query` has, to single precision, in a hundredth of the time.
    """
    rows = items.rows(item_ids, own=False)
    fitted = _means(model.draws.means, belief)
    online = _means(items.means[:, : len(items)], belief)  # rows from there on are not in use
    values = np.concatenate([fitted, online])[rows]
    return np.asarray(values + np.float32(model.mean), np.float32)


def _means(rows: NDArray[np.float32], belief: UserBeliefs) -> NDArray[np.float32]:
    """`b_i + h . [bias, factors] + session effect`, with the echo, averaged over draws: (I,) of
    rows (S, I, D).
    """
    total = np.zeros(rows.shape[1], np.float32)
    for draw, mean, (weight, echo) in zip(rows, belief.mean[0], belief.echo[0], strict=True):
        # The item's bias counts once; the user's own bias and session effect for every item.
        weights = np.concatenate([[1.0], mean[1:-1]]).astype(np.float32)
        own = np.float32(1 - weight)
        total += draw @ (own * weights) + (own * np.float32(mean[0] + mean[-1]) + echo)
    return np.asarray(total / np.float32(len(rows)))
