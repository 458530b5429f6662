"""Films learn from ratings as they arrive, and never from what they must not."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from events import event
from fake_sets import FakeModelSet, release
from reelstream.errors import MissingFamilyError
from reelstream.features.holdout import in_holdout
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.recommendation import RecommendationQuery
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.events import Deleted, Dismissed, Rated
from reelstream.serving.live_histories import LiveHistories, LogEvent
from reelstream.serving.predictor import MAX_FOLDED_IN, MAX_WAITING, PredictionQuery, Predictor
from reelstream.strategies import Strategy

LATER = 2_000_000_000
FILM = 5


@pytest.fixture
def model_set(small_model_set: ModelSet) -> ModelSet:
    return small_model_set


def newcomers(stars: float, n: int, first_offset: int, *, held_out: bool = False) -> list[LogEvent]:
    """Ratings of one film by users whom nobody knows, in the holdout or not."""
    offsets = np.arange(first_offset, first_offset + 5000)
    zeros = np.zeros(len(offsets))
    is_held_out = in_holdout(EventColumns.of(zeros, zeros, zeros, zeros, offset=offsets))
    return [
        LogEvent(Rated(10**6 + place, FILM, stars, LATER), 0, offset)
        for place, offset in enumerate(offsets[is_held_out == held_out][:n].tolist())
    ]


def served(model_set: ModelSet, histories: LiveHistories | None = None) -> Predictor:
    predictor = Predictor(histories or LiveHistories())
    predictor.swap(release(model_set.number), model_set, model_set.trained_on.trained_end_offsets)
    return predictor


def take(predictor: Predictor, rows: list[LogEvent]) -> int:
    """Events from the log, and all that follows from them."""
    taken = predictor.take(rows)
    predictor.learn()
    return taken


def expected(predictor: Predictor) -> float:
    """What a user without ratings is told about the film."""
    answer = predictor.serving().predict([PredictionQuery(99, FILM, LATER)])[0]
    return answer.mean


def test_a_film_learns_from_strangers(model_set: ModelSet) -> None:
    predictor = served(model_set)
    before = expected(predictor)
    assert take(predictor, newcomers(0.5, 20, 10_000)) == 20
    assert expected(predictor) < before - 0.05
    assert (predictor.item_updates, predictor.item_updates_shed) == (20, 0)


def test_nobody_waits_for_what_films_learn(model_set: ModelSet) -> None:
    """An answer knows a rating before its film does; and a film learns the same whether somebody
    had a query about the user meanwhile or not.
    """
    rows = [LogEvent(Rated(7_000_000, film, 1.0, LATER + film), 0, film) for film in (3, FILM, 9)]
    told, learned = [], []
    for is_queried in (False, True):
        predictor = served(model_set)
        before = expected(predictor)
        predictor.take(rows)
        if is_queried:
            query = PredictionQuery(7_000_000, 4, LATER + 100)
            (answer,) = predictor.serving().predict([query])
            assert answer.basis.ratings == 3 and expected(predictor) == before
        predictor.learn()
        told.append([each.predicted for each in predictor.activity.after(0, 10).items][1:])
        learned.append(expected(predictor))
    assert told[0] == told[1] and len(set(told[0])) == 3
    assert learned[0] == learned[1] != before


def test_a_set_that_comes_meanwhile_learns_each_rating_once(model_set: ModelSet) -> None:
    """What it caught up with does not wait for it any more."""
    predictor, rows = served(model_set), newcomers(0.5, 20, 10_000)
    predictor.take(rows[:10])
    predictor.swap(release(7), model_set, {})
    caught_up = expected(predictor)
    predictor.learn()
    assert expected(predictor) == caught_up
    take(predictor, rows[10:])
    assert expected(predictor) < caught_up


def test_ratings_of_the_holdout_teach_no_film(model_set: ModelSet) -> None:
    predictor = served(model_set)
    before = expected(predictor)
    take(predictor, newcomers(0.5, 20, 10_000, held_out=True))
    assert expected(predictor) == before


def test_when_too_many_come_at_once_histories_have_them_all_and_films_none(
    model_set: ModelSet,
) -> None:
    predictor = served(model_set)
    before = expected(predictor)
    many = newcomers(0.5, MAX_WAITING + 1, 10_000)
    assert take(predictor, many) == len(many)
    assert expected(predictor) == before
    assert predictor.item_updates_shed == len(many)
    assert len(predictor.histories.of_user(many[-1].event.user_id)) == 1


def test_a_new_set_has_learned_what_came_since_it_was_trained(model_set: ModelSet) -> None:
    """Its films know the newest ratings before its first answer, as if they had arrived one by
    one.
    """
    live = served(model_set)
    take(live, newcomers(0.5, 20, 10_000))
    histories = LiveHistories()
    histories.add(newcomers(0.5, 20, 10_000))
    assert expected(served(model_set, histories)) == pytest.approx(expected(live), abs=0.02)


@pytest.mark.parametrize("item", [FILM, NO_ITEM], ids=["deleted", "forgotten"])
def test_what_is_gone_before_it_comes_teaches_no_film(model_set: ModelSet, item: int) -> None:
    """Neither as it arrives, nor when the next set catches up."""
    live, rows = served(model_set), newcomers(0.5, 20, 10_000)
    before = expected(live)
    live.histories.add(
        LogEvent(event(row.event.user_id, item, None, LATER), 0, row.offset + 100) for row in rows
    )
    assert take(live, rows) == 20
    assert expected(live) == before
    assert live.item_updates == 0
    assert expected(served(model_set, live.histories)) == before


def test_what_the_set_was_trained_on_is_not_learned_again(model_set: ModelSet) -> None:
    histories = LiveHistories()
    histories.add(newcomers(0.5, 20, 10_000))
    trained = replace(model_set, trained_on=TrainedOn({0: 20_000}, {}))
    assert expected(served(trained, histories)) == expected(served(trained))


def test_what_a_refused_batch_taught_is_forgotten(model_set: ModelSet) -> None:
    """After the refusal whoever is not in the batch gets the answers of before."""
    predictor = served(model_set)
    before = expected(predictor)
    take(predictor, newcomers(0.5, 20, 10_000))
    assert expected(predictor) < before
    predictor.renew_items({0: 20_000})
    assert expected(predictor) == before


def test_a_user_is_a_function_of_set_and_history_whatever_films_learn(model_set: ModelSet) -> None:
    """Two servers that got the same ratings in another order know the same user, to the bit."""
    ratings = [*newcomers(0.5, 20, 10_000), *newcomers(5.0, 40, 20_000)[20:]]
    mine = [LogEvent(Rated(7_000_000, film, 4.0, LATER + film), 1, film) for film in (3, FILM, 9)]
    states = []
    for order in ([*ratings, *mine], [*mine, *reversed(ratings)]):
        predictor = served(model_set)
        take(predictor, order)
        with predictor.serving().states.of_user(7_000_000) as user:
            states.append(user.state.response.copy())
    np.testing.assert_array_equal(*states)


def test_a_film_that_nobody_knows_is_passed_over() -> None:
    fake = FakeModelSet(1)
    predictor = Predictor(LiveHistories())
    predictor.swap(release(1), fake, {})
    assert take(predictor, [LogEvent(Rated(1, 10**9, 4.0, LATER), 0, 0)]) == 1
    assert len(predictor.histories.of_user(1)) == 1


def test_a_film_that_cannot_learn_keeps_no_rating_from_its_user(
    model_set: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    predictor = served(model_set)
    monkeypatch.setattr(ModelSet, "learn", fail)
    rows = newcomers(0.5, 3, 10_000)
    assert take(predictor, rows) == 3
    assert [len(predictor.histories.of_user(row.event.user_id)) for row in rows] == [1, 1, 1]
    assert predictor.item_updates_shed == 3


def test_newest_since_is_in_order_of_time_and_bounded() -> None:
    histories = LiveHistories()
    histories.add([LogEvent(Rated(user, FILM, 4.0, 100 - user), 0, user) for user in range(50)])
    newest = histories.newest_since({0: 10}, 5)
    assert isinstance(newest, EventColumns)
    assert newest.timestamp.tolist() == [86, 87, 88, 89, 90]


def likes(model_set: ModelSet, n: int) -> list[LogEvent]:
    """Strangers who all like the film that is liked least often."""
    choice = model_set.models.of_type(ChoiceModel)
    film = int(choice.items.ids[choice.popularity.argmin()])
    return [LogEvent(Rated(10**6 + user, film, 5.0, LATER), 0, 10_000 + user) for user in range(n)]


def test_when_many_wait_nobody_is_folded_in_for_films(model_set: ModelSet) -> None:
    """Those whose state is at hand teach them, and of the others what they like is counted."""
    predictor, rows = served(model_set), newcomers(0.5, MAX_FOLDED_IN + 1, 10_000)
    known = rows[7].event.user_id
    predictor.serving().predict([PredictionQuery(known, FILM, LATER)])
    take(predictor, rows)
    assert (predictor.item_updates, predictor.item_updates_shed) == (1, MAX_FOLDED_IN)
    assert predictor.serving().states.recent(10) == [known]


@pytest.mark.parametrize("n", [40, MAX_WAITING + 1], ids=["one by one", "too many at once"])
def test_what_is_liked_now_is_recommended_at_once(model_set: ModelSet, n: int) -> None:
    """To users without ratings too, and by the next set as well."""
    predictor, rows = served(model_set), likes(model_set, n)
    film = rows[0].event.item_id

    def chance(predictor: Predictor) -> float:
        answer = predictor.serving().recommend(99, RecommendationQuery(n=1000), LATER)
        return float(answer.choice[answer.item_ids == film][0])

    before = chance(predictor)
    take(predictor, rows)
    assert chance(predictor) > 2 * before
    assert chance(served(model_set, predictor.histories)) == pytest.approx(
        chance(predictor), rel=1e-6
    )


def test_one_rating_changes_the_users_list_at_once(model_set: ModelSet) -> None:
    """What was just rated is gone, and what is like it comes up."""
    predictor = served(model_set)
    first = predictor.serving().recommend(99, RecommendationQuery(), LATER)
    film = int(first.item_ids[0])
    take(predictor, [LogEvent(Rated(99, film, 5.0, LATER), 0, 10_000)])
    second = predictor.serving().recommend(99, RecommendationQuery(), LATER + 60)
    assert film not in second.item_ids
    assert second.parts[:, 0].max() > 0
    assert [reason.item_id for reasons in second.reasons for reason in reasons][:1] == [film]
    similar = predictor.serving().similar(film, 5)
    assert film not in similar.item_ids


def test_a_dismissed_film_is_in_no_list_until_it_is_rated_or_taken_back(
    model_set: ModelSet,
) -> None:
    """Of its user, whatever the strategy, nor in what a group of his is shown; others still see
    it.
    """
    predictor = served(model_set)
    serving, query = predictor.serving(), RecommendationQuery(n=5)
    film = int(serving.recommend(99, query, LATER).item_ids[0])
    question = int(serving.questions(99, 3)[0])
    dismissals = [Dismissed(99, film, LATER), Dismissed(99, question, LATER)]
    take(predictor, [LogEvent(each, 0, 10_000 + n) for n, each in enumerate(dismissals)])
    for strategy in get_args(Strategy):
        wanted = replace(query, n=1000, strategy=strategy)
        assert film not in serving.recommend(99, wanted, LATER).item_ids
    group = serving.recommend_to_group([98, 99], replace(query, n=1000), "mean")
    assert len(group.item_ids) and film not in group.item_ids
    questions = serving.questions(99, 3).tolist()
    assert len(questions) == 3 and question not in questions
    assert film in serving.recommend(98, query, LATER).item_ids
    take(predictor, [LogEvent(Deleted(99, film, LATER), 0, 10_002)])
    assert film in serving.recommend(99, query, LATER).item_ids
    assert len(predictor.histories.of_user(99)) == 0


def test_a_set_from_before_says_that_it_cannot_recommend(model_set: ModelSet) -> None:
    """It answers all else."""
    older = replace(model_set, models=model_set.models.without("choice"))
    predictor = served(older)
    take(predictor, newcomers(0.5, 2, 10_000))
    assert 0.5 <= expected(predictor) <= 5
    with pytest.raises(MissingFamilyError, match="before that family was added"):
        predictor.serving().recommend(99, RecommendationQuery())
    with pytest.raises(MissingFamilyError):
        predictor.serving().similar(FILM)


def test_newcomers_are_asked_about_what_they_have_not_rated(model_set: ModelSet) -> None:
    """An answer is not asked for again."""
    predictor = served(model_set)
    asked = predictor.serving().questions(99, 3)
    take(predictor, [LogEvent(Rated(99, int(asked[0]), 5.0, LATER), 0, 10_000)])
    assert asked[0] not in predictor.serving().questions(99, 3)
