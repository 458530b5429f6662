"""What a film learns from one rating, and that only predictions use it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from fitted_set import Fitted

from reelstream.catalog import Catalog, Film
from reelstream.models.like.width_offset import WidthOffset
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.model import ItemDraws
from reelstream.models.rating.online_items import ItemQueries, update_item
from reelstream.models.replay import predict_events
from reelstream.ratings.columns import EventColumns

LATER = 2_000_000_000


def test_one_rating_conditions_the_film_as_a_gaussian() -> None:
    rng = np.random.default_rng(0)
    D = 5
    root = rng.standard_normal((D, D))
    mean, cov = rng.standard_normal(D), root @ root.T + np.eye(D)
    user, noise, error = rng.standard_normal(D + 1), 0.7, 1.3
    x = np.concatenate([[1.0], user[1:D]])
    gain = cov @ x / (x @ cov @ x + noise)
    learned_mean, learned_cov = mean.copy(), cov.copy()
    update_item(user, learned_mean, learned_cov, error, noise, np.empty(D))
    np.testing.assert_allclose(learned_mean, mean + gain * error)
    np.testing.assert_allclose(learned_cov, cov - np.outer(gain, x @ cov))


def test_few_draws_are_a_sample_of_many(fitted: Fitted) -> None:
    """Rubin's rule: the variance within the draws, and that between them made larger for their
    small number.
    """
    rating, history = (
        fitted.model_set.rating,
        fitted.history.of_user(int(fitted.history.user_ids[1])),
    )
    S = rating.n_draws

    def answers(model_set: ModelSet) -> np.ndarray:
        belief = model_set.belief_at(model_set.fold_in(history), LATER)
        queries = ItemQueries.without_updates(np.zeros(50, np.int64), np.arange(50))
        return model_set.query(queries, belief, model_set.online_items())

    each = []
    for s in range(S):
        draw = ItemDraws(
            **{
                field.name: getattr(rating.draws, field.name)[s : s + 1]
                for field in fields(ItemDraws)
            }
        )
        each.append(answers(fitted.with_rating(replace(rating, draws=draw))))
    means, variances = np.array(each)[:, :, 0], np.array(each)[:, :, 1]
    together = answers(fitted.model_set)
    np.testing.assert_allclose(together[:, 0], means.mean(0), rtol=1e-6)
    np.testing.assert_allclose(
        together[:, 1], variances.mean(0) + (1 + 1 / S) * means.var(0, ddof=1), rtol=1e-6
    )


def test_a_film_rises_with_high_ratings_and_the_set_stays_as_it_was(fitted: Fitted) -> None:
    model_set, item = fitted.model_set, int(fitted.model_set.rating.item_ids[3])
    films = model_set.online_items()
    asker = model_set.fold_in(EventColumns.empty())
    before = model_set.predict(asker, np.array([item]), LATER, films).mean[0]
    for user in fitted.history.user_ids[:20]:
        state = model_set.fold_in(fitted.history.of_user(int(user)))
        model_set.update_item(state, item, 5.0, LATER, films)
    assert model_set.predict(asker, np.array([item]), LATER, films).mean[0] > before + 0.1
    assert model_set.predict(asker, np.array([item]), LATER).mean[0] == before
    assert len(films) == 1


def test_a_film_that_the_set_never_saw_learns_too(fitted: Fitted) -> None:
    new = 777_001
    model_set = replace(
        fitted.model_set, catalog=Catalog([*fitted.catalog, Film(new, "Premiere", 1999)])
    )
    films = model_set.online_items()
    asker = model_set.fold_in(EventColumns.empty())
    before = model_set.predict(asker, np.array([new]), LATER, films)
    model_set.update_item(asker, new, 0.5, LATER, films)
    films.width_offset = WidthOffset()  # which one such rating makes wider for all films
    after = model_set.predict(asker, np.array([new]), LATER, films)
    assert after.mean[0] < before.mean[0] and after.sd[0] < before.sd[0] + 0.05


def test_room_is_made_for_any_number_of_films(fitted: Fitted) -> None:
    model_set = fitted.model_set
    items = model_set.rating.item_ids
    films = model_set.online_items()
    rows = films.rows(items, own=True)
    assert rows.tolist() == (np.arange(len(items)) + len(items)).tolist()
    assert films.rows(items[::-1], own=False).tolist() == rows[::-1].tolist()
    np.testing.assert_array_equal(films.means[:, : len(items)], model_set.rating.draws.means)


def test_films_learn_in_order_of_time_over_all_users(fitted: Fitted) -> None:
    """The order in which events are handed over changes nothing; the first event of all is answered
    as without."""
    ratings = fitted.history.ratings.by_time()
    asks = np.arange(len(ratings)) > len(ratings) // 2
    learns = np.ones(len(ratings), bool)
    shuffled = np.random.default_rng(1).permutation(len(ratings))

    def live(order: np.ndarray) -> np.ndarray:
        answers = predict_events(
            fitted.model_set, ratings[order], asks[order], learns, fitted.model_set.online_items()
        )
        place = np.full(len(ratings), np.nan)
        place[order[asks[order]]] = answers.mean
        return place[asks]

    in_order, other = live(np.arange(len(ratings))), live(shuffled)
    np.testing.assert_array_equal(in_order, other)
    users_only = predict_events(fitted.model_set, ratings, asks, learns).mean
    assert np.isclose(in_order[0], users_only[0]) and not np.allclose(
        in_order[-50:], users_only[-50:]
    )
