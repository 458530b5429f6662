"""Many users' events at once: what is saved on the way changes no answer."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from fitted_set import Fitted

from reelstream.models import replay_events
from reelstream.models.model_set import Predictions
from reelstream.models.replay import predict_events, predict_live
from reelstream.ratings.columns import EventColumns


def same(one: Predictions, other: Predictions) -> None:
    """Up to the order in which BLAS adds up more queries or fewer."""
    for field in fields(Predictions):
        np.testing.assert_allclose(
            getattr(one, field.name), getattr(other, field.name), rtol=1e-12, atol=1e-15
        )


def last_part(fitted: Fitted, share: float = 0.3) -> tuple[EventColumns, np.ndarray, np.ndarray]:
    """All ratings, those of the newest share queries; all are updates."""
    ratings = fitted.history.ratings.by_time()
    return (
        ratings,
        np.arange(len(ratings)) >= (1 - share) * len(ratings),
        np.ones(len(ratings), bool),
    )


def test_live_answers_and_those_of_fitted_items_come_in_one_pass(fitted: Fitted) -> None:
    events, is_query, is_update = last_part(fitted)
    model_set = fitted.model_set
    live, users_only = predict_live(
        model_set, events, is_query, is_update, model_set.online_items()
    )
    same(live, predict_events(model_set, events, is_query, is_update, model_set.online_items()))
    same(users_only, predict_events(model_set, events, is_query, is_update))
    assert (live.mean != users_only.mean).any()


@pytest.mark.parametrize("n_states", [0, 2, 1000])
def test_parts_in_time_change_nothing_whatever_is_kept_between_them(
    fitted: Fitted, monkeypatch: pytest.MonkeyPatch, n_states: int
) -> None:
    """Users whose state was given up begin with their first event again."""
    events, is_query, is_update = last_part(fitted)
    # Among the queries are some that nobody learns from.
    is_update[::3] = False
    model_set = fitted.model_set

    def answers() -> Predictions:
        items = model_set.online_items()
        return predict_events(model_set, events, is_query, is_update, items)

    whole = answers()
    monkeypatch.setattr(replay_events, "MAX_BELIEFS", 50)
    monkeypatch.setattr(replay_events, "MAX_STATES", n_states)
    same(answers(), whole)


def test_queries_at_one_time_are_answered_as_each_alone(fitted: Fitted) -> None:
    """They share what is known of their user, but not with those after the next update."""
    model_set, user = fitted.model_set, int(fitted.history.user_ids[0])
    known = fitted.history.of_user(user)
    items = model_set.rating.item_ids[:6]
    middle, end = int(known.timestamp[len(known) // 2]), int(known.timestamp[-1]) + 1000
    asked = EventColumns.of(
        np.full(12, user), np.tile(items, 2), np.zeros(12), np.repeat([middle, end], 6)
    )
    asked = replace(asked, partition=np.tile(np.array([-1, 99], np.int32), 6))

    def answers(queries: EventColumns) -> Predictions:
        events = EventColumns.concatenate([known, queries])
        is_query = np.arange(len(events)) >= len(known)
        return predict_events(model_set, events, is_query, ~is_query)

    together = answers(asked)
    for n in range(len(asked)):
        same(together[n : n + 1], answers(asked[n : n + 1]))
    assert len(np.unique(together.mean)) == len(asked)
