"""The echo of the rating before: whoever rates one film right after another is still near the first
one's stars.

A rating that comes within a minute of another is, less mu,

    r = (1 - w) (h . state + b_i) + w x + e

where x is the mean of the ratings of the instant before and w falls with the gap: one weight for
each range of gaps, learned by the chain. So `(r - w x) / (1 - w)` is a rating as the user would
give it at leisure, with noise whose variance is larger by 1 / (1 - w)^2; filters and chain learn
from that. Consecutive ratings are known to assimilate (Xie et al., 2023).

Ratings of one instant have no order that means anything, so they all echo the instant before and
none of them another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.compute.arrays import Bools, Floats, Ints
from reelstream.compute.compiled import compiled

# Ranges of gaps, in seconds: 1 to 2, 3 to 6, 7 to 14, 15 to 30, 31 to 62.
N_GAPS = 5
_FIRST_END, _AFTER_LAST = 3.0, 63.0


class Echoes(NamedTuple):
    """What each of n events of one user would echo."""

    gaps: Ints
    """(n,): ranges of gaps; -1 where there is no echo."""
    before: Floats
    """(n,): mean of the instant before, less mu."""


class Leisure(NamedTuple):
    """n ratings without their echoes."""

    centred: Floats
    """(n,): less mu."""
    widening: Floats
    """(n,): by what the echo's removal has multiplied the variance of the noise."""


def nothing_rated() -> NDArray[np.float64]:
    """The newest two instants (2, 3) of a user without ratings: see `remember`."""
    recent = np.empty((2, 3))
    forget(recent)
    return recent


@compiled()
def forget(recent: Floats) -> None:
    """Make of `recent` (2, 3) the newest two instants of a user without ratings."""
    recent[:] = 0.0
    recent[:, 0] = -np.inf


@compiled()
def gap_range(seconds: float) -> int:
    """The range of a gap between two instants; -1 where there is no echo."""
    if not 1.0 <= seconds < _AFTER_LAST:  # nor where the gap is not a number: nothing was rated
        return -1
    place, end = 0, _FIRST_END
    while seconds >= end:
        place += 1
        end = 2.0 * end + 1.0
    return place


@compiled()
def remember(recent: Floats, time: float, centred: float) -> None:
    """Add a rating, none earlier than those before, to the newest two instants: `recent` (2, 3),
    float64, the newest first, each its time and the sum and the number of its ratings.
    """
    if time > recent[0, 0]:
        recent[1] = recent[0]
        recent[0, 0], recent[0, 1], recent[0, 2] = time, 0.0, 0.0
    recent[0, 1] += centred
    recent[0, 2] += 1.0


@compiled()
def echoed(recent: Floats, time: float) -> tuple[int, float]:
    """What a rating at `time` echoes: the range of the gap, -1 where there is no echo, and the mean
    of the instant before. A time before the newest rating counts as the newest rating's.
    """
    now = max(time, recent[0, 0])
    row = 0 if now > recent[0, 0] else 1
    return gap_range(now - recent[row, 0]), recent[row, 1] / max(recent[row, 2], 1.0)


@compiled()
def weight_of(weights: Floats, place: int) -> float:
    """The weight of a range of gaps, of weights (N_GAPS,); 0 where there is no echo."""
    return float(weights[place]) if place >= 0 else 0.0


@compiled()
def at_leisure(centred: float, weight: float, before: float) -> tuple[float, float]:
    """A rating without its echo of `before`, and by what that multiplies the noise's variance."""
    own = 1.0 - weight
    return (centred - weight * before) / own, 1.0 / (own * own)


@compiled()
def find_echoes(times: Ints, centred: Floats, is_update: Bools) -> Echoes:
    """What each of one user's events (n,) would echo, in order of time from the first on; those
    that are no updates are not echoed.
    """
    n = times.size
    gaps, before = np.empty(n, np.int64), np.empty(n)
    recent = np.empty((2, 3))
    forget(recent)
    for j in range(n):
        gaps[j], before[j] = echoed(recent, float(times[j]))
        if is_update[j]:
            remember(recent, float(times[j]), centred[j])
    return Echoes(gaps, before)


@compiled()
def leisure_of(echoes: Echoes, weights: Floats, centred: Floats) -> Leisure:
    """`at_leisure` of each rating (n,), at weights (N_GAPS,)."""
    leisure = Leisure(np.empty(centred.size), np.empty(centred.size))
    for j in range(centred.size):
        leisure.centred[j], leisure.widening[j] = at_leisure(
            centred[j], weight_of(weights, echoes.gaps[j]), echoes.before[j]
        )
    return leisure
