"""Which ratings the chain never sees: one in twenty, for good.

The chain is warm-started from set to set, so a rating that it has once learned can never judge a
later set. The holdout is therefore a property of the pair (user, item): a hash, the same in every
engine, process and run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns

HOLDOUT_ONE_IN = 20


def _pair_hash(user_id: NDArray[np.int64], item_id: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 mixed bits of each (user, item): two rounds of SplitMix64 (Steele, Lea and Flood, OOPSLA
    2014).
    """
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64 on purpose
        return _mix(_mix(user_id.astype(np.uint64)) + item_id.astype(np.uint64))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def in_holdout(user_id: NDArray[np.int64], item_id: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each pair (n,) is held out, its rating kept out of the chain."""
    held_out: NDArray[np.bool_] = _pair_hash(user_id, item_id) % np.uint64(HOLDOUT_ONE_IN) == 0
    return held_out


def is_held_out(user_id: int, item_id: int) -> bool:
    """Whether one pair is held out."""
    return bool(in_holdout(np.array([user_id]), np.array([item_id]))[0])


def is_trainable(ratings: EventColumns) -> NDArray[np.bool_]:
    """Which ratings (n,) the item side may ever learn from: those outside the holdout."""
    return ~in_holdout(ratings.user_id, ratings.item_id)


def fits_like_model(ratings: EventColumns, *, has_gate: bool) -> NDArray[np.bool_]:
    """Which ratings (n,) fit and calibrate the like model: the half of the holdout that the gate
    leaves, or without a gate all of it.
    """
    held_out = ~is_trainable(ratings)
    return held_out & ~_in_gate_half(ratings) if has_gate else held_out


def judges_at_gate(ratings: EventColumns) -> NDArray[np.bool_]:
    """Which ratings (n,) the gate judges by: a half of the holdout, which nothing is fitted to."""
    return ~is_trainable(ratings) & _in_gate_half(ratings)


def _in_gate_half(ratings: EventColumns) -> NDArray[np.bool_]:
    # The next bits of the same hash, so that both halves are alike in every other respect.
    pairs = _pair_hash(ratings.user_id, ratings.item_id)
    gate: NDArray[np.bool_] = pairs // np.uint64(HOLDOUT_ONE_IN) % np.uint64(2) == 1
    return gate
