"""The questions that a model set answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fitted_set import Fitted

from events import event_columns
from reelstream.catalog import Catalog, Film
from reelstream.errors import UnknownItemError
from reelstream.features.holdout import in_holdout
from reelstream.models.model_set import TrainedOn, rating_distribution
from reelstream.models.registry import load_saved_bundle, save_bundle
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.scale import RatingScale

LATER = 2_000_000_000


def test_a_saved_set_gives_the_same_answers(fitted: Fitted, tmp_path: Path) -> None:
    save_bundle(fitted.model_set.models, tmp_path)
    loaded = replace(fitted.model_set, models=load_saved_bundle(tmp_path))
    user = int(fitted.history.user_ids[5])
    history = fitted.history.of_user(user)
    items = fitted.model_set.rating.item_ids[:20]
    before = fitted.model_set.predict(fitted.model_set.fold_in(history), items, LATER)
    after = loaded.predict(loaded.fold_in(history), items, LATER)
    for field in ("mean", "sd", "like_probability"):
        np.testing.assert_array_equal(getattr(before, field), getattr(after, field))
    assert loaded.segment_of(history) == fitted.model_set.segment_of(history)


def test_only_arrays_and_json_are_saved(fitted: Fitted, tmp_path: Path) -> None:
    save_bundle(fitted.model_set.models, tmp_path)
    assert {path.suffix for path in tmp_path.glob("*/*")} == {".npy", ".json"}


def test_one_more_rating_gives_the_state_of_folding_in_all(fitted: Fitted) -> None:
    history = fitted.history.of_user(int(fitted.history.user_ids[0]))
    items = fitted.model_set.rating.item_ids
    at_once = fitted.model_set.fold_in(history)
    one_by_one = fitted.model_set.fold_in(history[:-2])
    fitted.model_set.update(one_by_one, history[-2:-1])
    fitted.model_set.update(one_by_one, history[-1:])
    for field in ("mean", "sd", "like_probability"):
        np.testing.assert_allclose(
            getattr(fitted.model_set.predict(at_once, items, LATER), field),
            getattr(fitted.model_set.predict(one_by_one, items, LATER), field),
            rtol=1e-9,
        )


def test_the_mean_of_the_distribution_is_the_prediction_away_from_the_ends() -> None:
    """Two and a half standard deviations from both ends of the scale nothing is cut off; near one
    the mean is drawn inside.
    """
    values = RatingScale().values()
    mean = np.array([2.3, 2.75, 3.1, 4.5])
    distribution = rating_distribution(mean, np.full(4, 0.7**2), values)
    np.testing.assert_allclose(distribution.sum(1), 1.0, rtol=1e-12)
    np.testing.assert_allclose((distribution @ values)[:3], mean[:3], atol=0.01)
    assert (distribution @ values)[3] == pytest.approx(4.41, abs=0.01)


def test_the_distribution_is_over_the_scale_and_the_spread_is_its_own(fitted: Fitted) -> None:
    state = fitted.model_set.fold_in(fitted.history.of_user(int(fitted.history.user_ids[2])))
    answers = fitted.model_set.predict(state, fitted.model_set.rating.item_ids, LATER)
    values = RatingScale().values()
    np.testing.assert_allclose(answers.distribution.sum(1), 1)
    assert (
        answers.distribution.shape == (len(answers.mean), 10) and (answers.distribution >= 0).all()
    )
    expected = answers.distribution @ values
    np.testing.assert_allclose(
        answers.sd**2, answers.distribution @ values**2 - expected**2, atol=1e-9
    )


def test_what_lies_beyond_the_scale_is_given_at_its_end() -> None:
    low, middle, high = rating_distribution(
        np.array([-3.0, 3.1, 9.0]), np.full(3, 1e-4), RatingScale().values()
    )
    assert low[0] == middle[5] == high[9] == 1


def test_a_question_changes_no_state(fitted: Fitted) -> None:
    state = fitted.model_set.fold_in(fitted.history.of_user(int(fitted.history.user_ids[0])))
    items = fitted.model_set.rating.item_ids[:5]
    first = fitted.model_set.predict(state, items, LATER)
    again = fitted.model_set.predict(state, items, LATER)
    np.testing.assert_array_equal(first.mean, again.mean)


def test_high_ratings_raise_what_is_expected_of_a_user(fitted: Fitted) -> None:
    items = fitted.model_set.rating.item_ids[:10]
    n = np.full(10, 9_999_999)

    def expected(stars: float) -> float:
        ratings = event_columns(n, items, np.full(10, stars), np.arange(10), np.ones(10))
        state = fitted.model_set.fold_in(ratings)
        return float(
            fitted.model_set.predict(
                state, fitted.model_set.rating.item_ids[10:], LATER
            ).mean.mean()
        )

    assert expected(1.0) < expected(3.0) < expected(5.0)


def test_ratings_make_answers_surer_and_years_of_absence_no_stranger(fitted: Fitted) -> None:
    items = fitted.model_set.rating.item_ids
    unknown = fitted.model_set.predict(
        fitted.model_set.fold_in(EventColumns.empty()), items, LATER
    ).sd.mean()
    soon, late = [], []
    for user in fitted.history.user_ids:
        history = fitted.history.of_user(int(user))
        state = fitted.model_set.fold_in(history)
        soon.append(
            fitted.model_set.predict(state, items, int(history.timestamp[-1]) + 86_400).sd.mean()
        )
        late.append(
            fitted.model_set.predict(
                state, items, int(history.timestamp[-1]) + 40 * 365 * 86_400
            ).sd.mean()
        )
    assert np.mean(soon) < np.mean(late) < 1.1 * unknown
    assert np.mean(soon) < unknown


def test_a_film_without_ratings_is_answered_from_genres_and_era(fitted: Fitted) -> None:
    genre = fitted.catalog.genres[0]
    films = [
        *fitted.catalog,
        Film(777_001, "Unrated", 1990, (genre,)),
        Film(777_002, "Unrated Too"),
    ]
    model_set = replace(fitted.model_set, catalog=Catalog(films))
    answers = model_set.predict(
        model_set.fold_in(EventColumns.empty()), np.array([777_001, 777_002]), LATER
    )
    assert np.isfinite(answers.mean).all() and answers.mean[0] != answers.mean[1]
    assert ((answers.like_probability > 0) & (answers.like_probability < 1)).all()


def test_a_film_that_nobody_named_is_an_error(fitted: Fitted) -> None:
    state = fitted.model_set.fold_in(EventColumns.empty())
    with pytest.raises(UnknownItemError, match="987654321"):
        fitted.model_set.predict(state, np.array([987_654_321]), LATER)


def test_learned_means_trained_on_and_not_held_out() -> None:
    trained_on = TrainedOn({0: 100, 1: 50}, {0: ((20, 30),)})
    n = 120
    for partition, expected in (
        (0, lambda o: o < 100 and not 20 <= o < 30),
        (1, lambda o: o < 50),
        (2, lambda o: False),
    ):
        ratings = event_columns(
            np.arange(n),
            np.arange(n) + 5,
            np.ones(n),
            np.zeros(n),
            np.full(n, partition),
            np.arange(n),
        )
        held_out = in_holdout(ratings)
        assert trained_on.learned(ratings).tolist() == [
            expected(offset) and not held
            for offset, held in zip(range(n), held_out.tolist(), strict=True)
        ]


def test_behind_a_forget_events_are_answered_as_those_of_a_new_user(fitted: Fitted) -> None:
    """And before it as if it never came."""
    user = int(fitted.history.user_ids[0])
    ratings = replace(fitted.history.of_user(user), offset=np.arange(fitted.history.starts[1]) * 2)
    first, second = ratings[:10], ratings[10:]
    forget = event_columns(
        [user], [NO_ITEM], [np.nan], second.timestamp[:1], second.partition[:1], [19]
    )
    events = EventColumns.concatenate([forget, second, first])
    asks = ~events.is_erasure
    answers = predict_events(fitted.model_set, events, asks, np.ones(len(events), bool))
    apart = [
        predict_events(fitted.model_set, part, *np.ones((2, len(part)), bool))
        for part in (second, first)
    ]
    np.testing.assert_array_equal(answers.mean, np.concatenate([part.mean for part in apart]))


def test_events_are_answered_in_their_own_order(fitted: Fitted) -> None:
    """Whatever the order of the questions, each gets the answer that it gets alone."""
    ratings = fitted.history.ratings
    asks = np.zeros(len(ratings), bool)
    asks[::7] = True
    shuffled = np.random.default_rng(0).permutation(len(ratings))
    asked, answers = ratings[asks], predict_events(fitted.model_set, ratings, asks, ~asks)
    asked_again = ratings[shuffled][asks[shuffled]]
    answers_again = predict_events(
        fitted.model_set, ratings[shuffled], asks[shuffled], ~asks[shuffled]
    )
    place = {
        (user, item): row
        for row, (user, item) in enumerate(zip(asked.user_id, asked.item_id, strict=True))
    }
    rows = [place[pair] for pair in zip(asked_again.user_id, asked_again.item_id, strict=True)]
    np.testing.assert_array_equal(answers.mean[rows], answers_again.mean)
    user = int(asked.user_id[0])
    alone = ratings.user_id == user
    np.testing.assert_array_equal(
        predict_events(fitted.model_set, ratings[alone], asks[alone], ~asks[alone]).mean,
        answers.mean[asked.user_id == user],
    )
