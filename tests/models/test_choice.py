"""The choice model: which film is taken next, by the company that films keep, the session, and what
is popular.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from events import event_columns
from reelstream.catalog import Catalog, Film
from reelstream.errors import InputError
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.bundle import ModelBundle
from reelstream.models.choice import ridge as columns
from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.fit import fit_choice_family
from reelstream.models.choice.live import LiveChoice
from reelstream.models.choice.mixture import HALF_LIVES, N_GROUPS, PARTS, Mixture, group_of
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.choice.ridge import RatedPairs, fit_columns
from reelstream.models.family import FamilyInput
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

N_FILMS, DAY = 40, 86_400
CATALOG = Catalog(
    Film(item, f"Film {item}", 1990 + item, ("Drama",) if item % 2 else ("Comedy",))
    for item in range(N_FILMS + 1)
)
UNRATED = N_FILMS


def pairs(n_users: int, n_items: int = 30, seed: int = 0) -> RatedPairs:
    """Users who each rate about half of the items."""
    rated = np.random.default_rng(seed).random((n_users, n_items)) < 0.5
    user_rows, item_rows = np.nonzero(rated)
    return RatedPairs(user_rows=user_rows, item_rows=item_rows, n_users=n_users, n_items=n_items)


def dense(fitted: ItemColumns) -> np.ndarray:
    """(I, I): the weight that each rated film gives to each other."""
    n = len(fitted.variances)
    weights = np.zeros((n, n))
    sources = np.repeat(np.arange(n), np.diff(fitted.starts))
    weights[sources, fitted.targets] = fitted.weights
    return weights


@pytest.mark.parametrize("n_users", [20, 200], ids=["inverse by users", "inverse by items"])
def test_columns_are_ridge_regressions_on_the_other_films(n_users: int) -> None:
    """With all films as neighbours, each column is the regression of its film on the others."""
    given = pairs(n_users)
    x = np.zeros((n_users, 30))
    x[given.user_rows, given.item_rows] = 1
    ridge = columns.RIDGE * np.sqrt(len(given.user_rows) / 30) / 2
    found = dense(fit_columns(given))
    for film in range(30):
        others = np.delete(np.arange(30), film)
        system = x[:, others].T @ x[:, others] + ridge * np.eye(29)
        expected = np.linalg.solve(system, x[:, others].T @ x[:, film])
        np.testing.assert_allclose(found[others, film], expected, rtol=2e-3, atol=1e-5)
        assert found[film, film] == 0


@pytest.mark.parametrize("n_users", [20, 200])
def test_neighbours_are_those_of_the_largest_weight(
    n_users: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways to invert choose the films that EASE gives most weight to."""
    monkeypatch.setattr(columns, "NEIGHBOURS", 5)
    monkeypatch.setattr(columns, "FEW_RATINGS", 0)
    monkeypatch.setattr(columns, "BLOCK", 7)
    given = pairs(n_users)
    x = np.zeros((n_users, 30))
    x[given.user_rows, given.item_rows] = 1
    ridge = columns.RIDGE * np.sqrt(len(given.user_rows) / 30)
    inverse = np.linalg.inv(x.T @ x + ridge * np.eye(30))
    fitted = fit_columns(given)
    np.testing.assert_allclose(fitted.variances, np.diag(inverse), rtol=1e-4)
    size = np.abs(inverse / np.diag(inverse))
    np.fill_diagonal(size, 0)
    for film in range(30):
        sources = np.flatnonzero(dense(fitted)[:, film])
        assert set(sources) == set(np.argsort(-size[:, film])[:5])


def test_films_beyond_the_largest_number_have_no_column(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most rated ones have, so that the fit stays within memory."""
    monkeypatch.setattr(columns, "MAX_COLUMNS", 10)
    given = pairs(100)
    counts = np.bincount(given.item_rows)
    fitted = fit_columns(given)
    assert (fitted.variances > 0).sum() == 10
    assert counts[fitted.variances > 0].min() >= counts[fitted.variances == 0].max()


def test_columns_move_to_the_rows_of_another_set() -> None:
    """Items that the other set lacks are left out."""
    fitted = fit_columns(pairs(50))
    rows = np.arange(30)[::-1].copy()
    rows[3] = -1
    moved = dense(fitted.in_rows(rows, 32))
    kept = np.delete(np.arange(30), 3)
    np.testing.assert_array_equal(
        moved[np.ix_(rows[kept], rows[kept])], dense(fitted)[np.ix_(kept, kept)]
    )
    assert np.count_nonzero(moved) == np.count_nonzero(dense(fitted)[np.ix_(kept, kept)])


def habits(n_users: int = 60, *, has_times: bool = True) -> Histories:
    """Users who watch one half of the films each, in an order of their own, one a minute."""
    rng = np.random.default_rng(0)
    user, item, time = [], [], []
    for number in range(n_users):
        own = rng.permutation(np.arange(number % 2, N_FILMS, 2))[:15]
        user += [number] * len(own)
        item += own.tolist()
        time += (number * DAY + 60 * np.arange(len(own))).tolist()
    rating = rng.choice([3.0, 4.5], len(user))
    times = np.array(time) if has_times else np.zeros(len(time), int)
    return Histories.of(event_columns(user, item, rating, times))


def fitted(histories: Histories, previous: ChoiceModel | None = None) -> ChoiceModel:
    return fit_choice_family(
        FamilyInput(
            histories=histories,
            catalog=CATALOG,
            scale=RatingScale(),
            models=ModelBundle(),
            previous=None if previous is None else ModelBundle(choice=previous),
            seed=0,
            has_gate=False,
        )
    )


@pytest.fixture(scope="module")
def model() -> ChoiceModel:
    return fitted(habits())


def history_of(*items: int, at: int = 100 * DAY) -> EventColumns:
    times = at + 60 * np.arange(len(items))
    return event_columns([999] * len(items), items, [4.0] * len(items), times)


def test_choices_are_probabilities_of_what_is_not_rated_yet(model: ChoiceModel) -> None:
    """They add up to one over all films of the catalogue but the user's own."""
    live = LiveChoice(model, CATALOG)
    for history in (history_of(), history_of(2, 4, 6), history_of(*range(20))):
        scores = live.score(history, 101 * DAY)
        own = np.isin(live.item_ids, history.item_id)
        assert (scores.choice[own] == -1).all()
        assert scores.choice[~own].min() > 0
        assert scores.choice[~own].sum() == pytest.approx(1, abs=1e-4)
        parts = scores.parts_of(np.flatnonzero(~own))
        np.testing.assert_allclose(parts.sum(1), 1, rtol=1e-6)


def test_the_next_film_is_of_the_kind_that_the_user_watches(model: ChoiceModel) -> None:
    """One rating changes the answer at once."""
    live = LiveChoice(model, CATALOG)

    def share_of_even(history: EventColumns) -> float:
        choice = live.score(history, 101 * DAY).choice
        return float(choice[(live.item_ids % 2 == 0) & (choice > 0)].sum())

    nothing = share_of_even(history_of())
    assert share_of_even(history_of(3)) < nothing < share_of_even(history_of(2))
    assert share_of_even(history_of(2, 4, 6, 8)) > 0.9


def test_a_film_that_nobody_rated_can_be_chosen_and_becomes_popular_at_once(
    model: ChoiceModel,
) -> None:
    """Live likes count, at any time and in any order."""
    live = LiveChoice(model, CATALOG)
    row = int(live.rows(np.array([UNRATED]))[0])

    def chance() -> float:
        return float(live.score(history_of(), 101 * DAY).choice[row])

    before = chance()
    assert before > 0
    live.count(event_columns([1], [UNRATED], [2.0], [100 * DAY]))
    assert chance() == before
    live.count(event_columns([1, 2], [UNRATED] * 2, [5.0, 4.0], [100 * DAY, 99 * DAY]))
    liked = chance()
    assert liked > before
    far = replace(model, mixture=Mixture(half_life=float(HALF_LIVES[0])))
    ages = LiveChoice(far, CATALOG)
    ages.count(event_columns([1], [UNRATED], [5.0], [10**6 * DAY]))
    assert ages.score(history_of(), 10**6 * DAY).parts[2].argmax() == row


def test_what_was_learned_survives_a_change_of_the_catalogue_and_the_disk(
    model: ChoiceModel, tmp_path: Path
) -> None:
    """What was popular stays so, and what films say of each other."""
    live = LiveChoice(model, CATALOG)
    live.update(event_columns([1], [UNRATED], [5.0], [100 * DAY]), history_of(2, 4))
    expected = live.score(history_of(2), 101 * DAY)
    more = Catalog([*CATALOG, Film(10**6, "New")])
    extended = live.with_films(more)
    assert len(extended) == len(live) + 1
    rows = extended.rows(live.item_ids)
    np.testing.assert_allclose(
        extended.score(history_of(2), 101 * DAY).parts[:, rows], expected.parts, rtol=1e-5
    )
    live.save(tmp_path)
    again = LiveChoice(model, CATALOG)
    again.restore(tmp_path)
    np.testing.assert_array_equal(again.score(history_of(2), 101 * DAY).choice, expected.choice)


def test_the_mixture_learns_why_films_are_chosen(model: ChoiceModel) -> None:
    """In this world the history tells more than popularity does."""
    shares = np.array(model.mixture.shares)
    assert shares.shape == (N_GROUPS, len(PARTS))
    np.testing.assert_allclose(shares.sum(1), 1)
    within = shares[group_of(10, 60)]
    assert within[:2].sum() > 0.5
    assert model.mixture.half_life in {*HALF_LIVES, None}


def test_without_times_there_is_no_session(model: ChoiceModel) -> None:
    """Nothing tells one from another, and likes do not fade."""
    timeless = fitted(habits(300, has_times=False))
    shares = np.array(timeless.mixture.shares)
    assert shares[:, 1].max() == 0
    assert timeless.mixture.half_life is None
    np.testing.assert_array_equal(shares[::2], shares[1::2])
    assert shares[group_of(10, 0)][0] > 0.5


def test_a_later_set_learns_the_mixture_from_what_came_since(model: ChoiceModel) -> None:
    """Without newer ratings it keeps the one before; with them it moves on from it."""
    assert fitted(habits(), model).mixture == model.mixture
    later = fitted(habits(120), model)
    assert later.mixture != model.mixture
    assert later.mixture.targets != model.mixture.targets


def test_filters_choose_by_genre_and_year(model: ChoiceModel) -> None:
    """A film of an unknown year is in no range; an unknown genre is an error."""
    live = LiveChoice(model, Catalog([*CATALOG, Film(77, "Undated", None, ("Drama",))]))
    assert live.allows((), None, None) is None
    drama = live.allows(("Drama",), 1995, 2000)
    assert drama is not None
    assert set(live.item_ids[drama]) == {5, 7, 9}
    undated = live.allows((), None, 2020)
    assert undated is not None
    assert 77 not in live.item_ids[undated]
    with pytest.raises(InputError, match="Western"):
        live.allows(("Western",), None, None)


def test_a_model_of_nobody_recommends_any_film() -> None:
    """The first user of a service is served."""
    empty = fitted(Histories.of(EventColumns.empty()))
    assert empty.items.ids.tolist() == Vocabulary(np.empty(0, np.int64)).ids.tolist()
    live = LiveChoice(empty, CATALOG)
    choice = live.score(history_of(1, 2), 0).choice
    assert choice[choice > 0].tolist() == pytest.approx([1 / (N_FILMS - 1)] * (N_FILMS - 1))


def test_a_warm_fit_leaves_columns_of_films_that_hardly_grew() -> None:
    """The others are fitted again, as a cold fit has them; without a change nothing changes."""
    small, large = pairs(100), pairs(150)
    before = fit_columns(small)
    same = fit_columns(small, before)
    np.testing.assert_array_equal(dense(same), dense(before))
    is_grown = np.bincount(large.item_rows) >= columns.GROWTH * np.bincount(small.item_rows)
    assert is_grown.any()
    warm, cold = fit_columns(large, before), fit_columns(large)
    np.testing.assert_array_equal(dense(warm)[:, is_grown], dense(cold)[:, is_grown])
    np.testing.assert_array_equal(dense(warm)[:, ~is_grown], dense(before)[:, ~is_grown])


def test_a_warm_set_without_times_keeps_its_mixture() -> None:
    """All ratings of a user at one time are no stream: nothing is learned of what came next."""
    timeless = fitted(habits(300, has_times=False))
    assert fitted(habits(340, has_times=False), timeless).mixture == timeless.mixture
