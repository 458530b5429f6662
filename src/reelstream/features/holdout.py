"""Which ratings the chain never sees: one in twenty, for good.

The chain is warm-started from set to set, so a rating that it has once learned can never judge a
later set. The holdout is therefore a property of the pair (user, item): a hash, the same in every
engine, process and run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    """Whether each rating is kept out of the chain."""
    held_out: NDArray[np.bool_] = _pair_hash(user_id, item_id) % np.uint64(HOLDOUT_ONE_IN) == 0
    return held_out


def in_gate_half(user_id: NDArray[np.int64], item_id: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of held-out ratings: True belongs to the gate, False fits and calibrates the like model."""
    # The next bits of the same hash, so that both halves are alike in every other respect.
    gate: NDArray[np.bool_] = (
        _pair_hash(user_id, item_id) // np.uint64(HOLDOUT_ONE_IN) % np.uint64(2) == 1
    )
    return gate
