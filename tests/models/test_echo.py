"""The echo of the rating before: what is echoed, and what it makes of an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fitted_set import Fitted

from reelstream.models.model_set import ModelSet
from reelstream.models.rating.all_items import mean_of_all
from reelstream.models.rating.echo import N_GAPS, echoed, gap_range, nothing_rated, remember
from reelstream.models.rating.online_items import ItemQueries
from reelstream.ratings.columns import EventColumns

WEIGHTS = np.array([0.3, 0.2, 0.15, 0.1, 0.05])


@pytest.fixture(scope="module")
def echoing(fitted: Fitted) -> ModelSet:
    """The fitted set, had it learned a strong echo."""
    rating = fitted.model_set.rating
    echo = np.repeat(WEIGHTS[None], rating.n_draws, axis=0)
    return fitted.with_rating(replace(rating, draws=replace(rating.draws, echo=echo)))


def test_gaps_double_from_range_to_range_and_end_after_a_minute() -> None:
    edges = {0: -1, 1: 0, 2: 0, 3: 1, 6: 1, 7: 2, 14: 2, 15: 3, 30: 3, 31: 4, 62: 4, 63: -1}
    assert {seconds: gap_range(seconds) for seconds in edges} == edges
    assert gap_range(np.inf) == gap_range(np.nan) == -1
    assert max(edges.values()) == N_GAPS - 1


def test_ratings_of_one_instant_echo_the_instant_before_and_not_one_another() -> None:
    recent = nothing_rated()
    assert echoed(recent, 100.0)[0] == -1
    for time, centred in ((100.0, 1.0), (100.0, 2.0), (102.0, -3.0)):
        remember(recent, time, centred)
    assert echoed(recent, 102.0) == (0, 1.5)
    assert echoed(recent, 106.0) == (1, -3.0)
    assert echoed(recent, 50.0) == (0, 1.5), "earlier than the newest: as at the newest"
    assert echoed(recent, 200.0)[0] == -1


def test_an_answer_within_a_minute_leans_towards_the_rating_before(
    fitted: Fitted, echoing: ModelSet
) -> None:
    history = fitted.history.of_user(int(fitted.history.user_ids[0]))
    state = echoing.fold_in(history)
    last, items = int(history.timestamp[-1]), echoing.rating.item_ids[:20]
    newest = history.rating[history.timestamp == last].mean()
    # The same belief about the user: only what the answer echoes differs.
    without = echoing.predict(state, items, last + 63)
    with_echo = echoing.predict(state, items, last + 2)
    towards = newest - without.mean
    np.testing.assert_allclose(with_echo.mean - without.mean, 0.3 * towards, atol=0.03)


def test_the_means_of_all_films_hold_the_echo_too(fitted: Fitted, echoing: ModelSet) -> None:
    history = fitted.history.of_user(int(fitted.history.user_ids[1]))
    state, at = echoing.fold_in(history), int(history.timestamp[-1]) + 5
    items, ids = echoing.online_items(), echoing.rating.item_ids
    found = mean_of_all(echoing.rating, items, ids, echoing.belief_at(state, at))
    np.testing.assert_allclose(found, echoing.predict(state, ids, at).mean, atol=1e-5)


def test_a_film_learns_from_a_rating_without_its_echo(echoing: ModelSet) -> None:
    """Of two ratings that are the same at leisure it learns less from the one with an echo: its
    noise is wider.
    """
    item, mu = echoing.rating.item_ids[:1], echoing.rating.mean
    state = echoing.fold_in(EventColumns.of([10**6], echoing.rating.item_ids[5:6], [5.0], [1000]))
    belief = echoing.belief_at(state, 1002)
    plain = belief._replace(echo=np.zeros_like(belief.echo))
    first = ItemQueries.without_updates(np.zeros(1, np.int64), np.zeros(1, np.int64))
    leisure = float(echoing.query(first, plain, echoing.online_items())[0, 0]) - 1.0
    moved = []
    for asked, given in ((plain, leisure), (belief, 0.7 * leisure + 0.3 * (5.0 - mu))):
        items = echoing.online_items()
        rows = items.rows(item, own=True)
        update = ItemQueries(np.zeros(1, np.int64), rows, np.array([given]), np.ones(1, bool))
        echoing.query(update, asked, items)
        moved.append(float((items.means[:, 0, 0] - echoing.rating.draws.means[:, 0, 0]).mean()))
    assert moved[0] < moved[1] < 0
