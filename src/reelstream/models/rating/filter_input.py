"""What the filter reads: items, and events of one user or of several."""

from __future__ import annotations

from typing import NamedTuple

from reelstream.compute.arrays import Bools, Floats, Ints
from reelstream.compute.compiled import compiled
from reelstream.models.rating.user_state import UserBeliefs


class FilterItems(NamedTuple):
    """Items as the filter reads them: S draws, I items of the model, E without ratings, D numbers a
    row; all float32.
    """

    drawn: Floats
    """(S, I, D): the rows that the draw's users were drawn with."""
    means: Floats
    """(S, I, D)"""
    covs: Floats
    """(S, I, D, D)"""
    exposure: Floats
    """(S, I, D): see `ItemDraws.exposure`; unrated items add nothing."""
    unrated_means: Floats
    """(S, E, D)"""
    unrated_cov: Floats
    """(S, D, D)"""


class FilterEvents(NamedTuple):
    """n ratings and queries, of one user in order of time; or of several users, one after the
    other.
    """

    rows: Ints
    """(n,): rows of items; from I on, rows of the unrated ones."""
    times: Ints
    """(n,): seconds since 1970; one before the state's last counts as at the last."""
    centred: Floats
    """(n,): ratings less mu."""
    is_query: Bools
    """(n,): whether the belief just before the event is wanted."""
    is_update: Bools
    """(n,): whether the state is updated with the rating, after the query."""
    is_trained_on: Bools
    """(n,): whether the item side was trained on this rating."""


class UserSpans(NamedTuple):
    """Where each of n users has its events, and its queries among all queries."""

    starts: Ints
    """(n + 1,): user u has the events from `starts[u]` up to, but without, `starts[u + 1]`."""
    first_query: Ints
    """(n + 1,): likewise of the queries."""


@compiled()
def item_at(items: FilterItems, s: int, row: int, is_trained_on: bool) -> tuple[Floats, Floats]:
    """The row (D,) and covariance (D, D) of an item in draw s, as a rating of it is filtered."""
    n_items = items.means.shape[1]
    if row >= n_items:
        return items.unrated_means[s, row - n_items], items.unrated_cov[s]
    if is_trained_on:
        return items.drawn[s, row], items.covs[s, row]
    return items.means[s, row], items.covs[s, row]


def slice_events(events: FilterEvents, first: int, end: int) -> FilterEvents:
    """Those from `first` up to, but without, `end`."""
    return FilterEvents._make(array[first:end] for array in events)


def slice_beliefs(beliefs: UserBeliefs, first: int, end: int) -> UserBeliefs:
    """Those from `first` up to, but without, `end`."""
    return UserBeliefs(*(array[first:end] for array in beliefs))
