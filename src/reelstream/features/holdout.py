"""Which ratings the chain never sees: one in twenty, for good.

The chain is warm-started from set to set, so a rating that it has once learned can never judge a
later set. Whether a rating is held out therefore depends on nothing but its place in the log: a
hash, the same in every engine, process and run, however users and items are named.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from reelstream.ratings.columns import EventColumns

HOLDOUT_ONE_IN = 20
# The rule of this version. By rule 1, of releases that name none, a pair of user and item was held
# out.
HOLDOUT_RULE: Final = 2


def in_holdout(ratings: EventColumns) -> NDArray[np.bool_]:
    """Which ratings (n,) are held out of the chain."""
    held_out: NDArray[np.bool_] = _hashed(ratings) % np.uint64(HOLDOUT_ONE_IN) == 0
    return held_out


def is_trainable(ratings: EventColumns) -> NDArray[np.bool_]:
    """Which ratings (n,) the item side may ever learn from: those outside the holdout."""
    return ~in_holdout(ratings)


def fits_like_model(ratings: EventColumns, *, has_gate: bool) -> NDArray[np.bool_]:
    """Which ratings (n,) fit and calibrate the like model: the half of the holdout that the gate
    leaves, or without a gate all of it.
    """
    held_out = in_holdout(ratings)
    return held_out & ~_in_gate_half(ratings) if has_gate else held_out


def judges_at_gate(ratings: EventColumns) -> NDArray[np.bool_]:
    """Which ratings (n,) the gate judges by: a half of the holdout, which nothing is fitted to."""
    return in_holdout(ratings) & _in_gate_half(ratings)


def _in_gate_half(ratings: EventColumns) -> NDArray[np.bool_]:
    # The next bits of the same hash, so that both halves are alike in every other respect.
    gate: NDArray[np.bool_] = _hashed(ratings) // np.uint64(HOLDOUT_ONE_IN) % np.uint64(2) == 1
    return gate


def _hashed(ratings: EventColumns) -> NDArray[np.uint64]:
    """64 mixed bits of each position (n,): SplitMix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    x = ratings.positions.astype(np.uint64)
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64 on purpose
        x = x * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
