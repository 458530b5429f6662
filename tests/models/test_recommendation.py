"""Recommendations: what a user would choose and like, by strategy and filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fitted_set import Fitted

from reelstream.errors import InputError, UnknownItemError
from reelstream.models.rating.all_items import mean_of_all
from reelstream.models.rating.user_state import UserState
from reelstream.models.recommendation import (
    LiveFilms,
    RecommendationQuery,
    Recommendations,
    live_choice_of,
)
from reelstream.ratings.columns import EventColumns


@pytest.fixture(scope="module")
def films(fitted: Fitted) -> LiveFilms:
    choice = live_choice_of(fitted.model_set)
    assert choice is not None
    return LiveFilms(
        model_set=fitted.model_set, choice=choice, items=fitted.model_set.online_items()
    )


@pytest.fixture(scope="module")
def history(fitted: Fitted) -> EventColumns:
    """Of a user who has rated some of the films, and not most."""
    users = fitted.history.user_ids.tolist()
    return min((fitted.history.of_user(user) for user in users), key=lambda it: abs(len(it) - 30))


@pytest.fixture(scope="module")
def state(fitted: Fitted, history: EventColumns) -> UserState:
    return fitted.model_set.fold_in(history)


def recommended(
    films: LiveFilms, state: UserState, history: EventColumns, **wanted: object
) -> Recommendations:
    query = RecommendationQuery(**wanted)  # type: ignore[arg-type]
    return films.recommend(state, history, query, int(history.timestamp[-1]))


def test_the_best_are_those_of_all_films(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """The list is the same as if every film were ranked by choice times like."""
    found = recommended(films, state, history, n=10)
    unseen = np.setdiff1d(films.choice.item_ids, history.item_id)
    at = int(history.timestamp[-1])
    rows = films.choice.rows(unseen)
    choice = films.choice.score(history, at).choice[rows]
    like = films.model_set.predict(state, unseen, at, films.items).like_probability
    order = np.argsort(-(choice * like), kind="stable")[:10]
    assert found.item_ids.tolist() == unseen[order].tolist()
    np.testing.assert_allclose(found.scores, (choice * like)[order], rtol=1e-5)
    np.testing.assert_allclose(found.predictions.like_probability, like[order], rtol=1e-9)
    np.testing.assert_allclose(found.parts.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("strategy", ["best", "rating", "cautious", "explore"])
def test_nothing_rated_or_excluded_is_recommended(
    films: LiveFilms, state: UserState, history: EventColumns, strategy: str
) -> None:
    """Each strategy fills its list with films that are new to the user, the best first."""
    first = recommended(films, state, history, strategy=strategy, n=20)
    excluded = first.item_ids[::2].tolist()
    found = recommended(films, state, history, strategy=strategy, n=20, exclude=excluded)
    assert len(set(found.item_ids.tolist())) == 20
    assert not np.isin(found.item_ids, [*excluded, *history.item_id]).any()
    assert (np.diff(found.scores[:10]) <= 0).all()


def test_rating_ranks_all_films_by_their_expected_stars(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """The fast means of all films are those of single predictions."""
    at = int(history.timestamp[-1])
    item_ids = films.choice.item_ids
    means = mean_of_all(
        films.model_set.rating, films.items, item_ids, films.model_set.belief_at(state, at)
    )
    exact = films.model_set.predict(state, item_ids, at, films.items).mean
    np.testing.assert_allclose(means, exact, atol=1e-4)
    best = recommended(films, state, history, strategy="rating", n=1)
    unseen = ~np.isin(item_ids, history.item_id)
    assert best.scores[0] == pytest.approx(exact[unseen].max(), abs=1e-4)


def test_a_longer_list_begins_with_the_shorter_one(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """However many are wanted, even all."""
    ten, all_of_them = (recommended(films, state, history, n=n).item_ids for n in (10, 1000))
    assert all_of_them[:10].tolist() == ten.tolist()
    assert len(all_of_them) == len(films.choice) - len(history)


def test_exploring_draws_another_list_for_each_seed(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """The same seed draws the same list."""
    lists = [
        recommended(films, state, history, strategy="explore", seed=seed).item_ids.tolist()
        for seed in (1, 1, 2)
    ]
    assert lists[0] == lists[1] != lists[2]


def test_variety_puts_films_apart_that_are_alike(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """The best film stays first; the others change."""
    plain = recommended(films, state, history)
    varied = recommended(films, state, history, variety=0.9)
    assert varied.item_ids[0] == plain.item_ids[0]
    assert set(varied.item_ids) != set(plain.item_ids)


def test_reasons_are_the_users_own_films(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """The strongest first, each with its share of what all of them add."""
    found = recommended(films, state, history)
    assert any(found.reasons)
    for reasons in found.reasons:
        assert {each.item_id for each in reasons} <= set(history.item_id.tolist())
        shares = [each.share for each in reasons]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-6


def test_filters(films: LiveFilms, state: UserState, history: EventColumns) -> None:
    """What no film passes gives an empty list."""
    catalog = films.model_set.catalog
    genre = catalog.genres[0]
    found = recommended(films, state, history, genres=(genre,), first_year=1990)
    for item_id in found.item_ids.tolist():
        film = catalog.get(item_id)
        assert film is not None
        assert genre in film.genres
        assert (film.year or 0) >= 1990
    assert len(recommended(films, state, history, first_year=3000).item_ids) == 0


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1001}, {"variety": 1.5}, {"genres": ("Nope",)}])
def test_wrong_queries_are_refused(
    films: LiveFilms, state: UserState, history: EventColumns, wrong: dict[str, object]
) -> None:
    with pytest.raises(InputError):
        recommended(films, state, history, **wrong)


def test_similar_films_are_the_nearest_and_never_itself(films: LiveFilms) -> None:
    """Of a film that nobody rated none is known."""
    counts = films.model_set.rating.item_counts
    most_rated = int(films.model_set.rating.item_ids[counts.argmax()])
    similar = films.similar(most_rated, 5)
    assert len(similar.item_ids) == 5
    assert most_rated not in similar.item_ids
    assert (np.diff(similar.scores) <= 0).all()
    assert 0 < similar.scores[-1] <= similar.scores[0] < 1
    with pytest.raises(UnknownItemError):
        films.similar(10**12)


def test_a_set_without_the_family_has_no_choice(fitted: Fitted) -> None:
    """Sets from before answer all else."""
    older = replace(fitted.model_set, models=fitted.model_set.models.without("choice"))
    assert live_choice_of(older) is None


def test_questions_are_about_films_that_many_have_seen_and_that_tell_most(
    films: LiveFilms, state: UserState, history: EventColumns
) -> None:
    """Never about one that the user has rated."""
    at = int(history.timestamp[-1])
    asked = films.questions(state, history, 5, at)
    assert len(set(asked.tolist())) == 5
    assert not np.isin(asked, history.item_id).any()
    counts = films.model_set.rating.item_counts
    rows = films.model_set.rating.items.rows(asked)
    assert counts[rows].min() > np.median(counts)
