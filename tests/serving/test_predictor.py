"""Predictor: answers from one set and every rating up to now."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from events import event, event_columns
from fake_sets import FakeModelSet, release
from reelstream.errors import NoModelSetError, UnknownItemError
from reelstream.ratings.columns import NO_ITEM, EventColumns
from reelstream.ratings.histories import Histories
from reelstream.serving.live_histories import LiveHistories, LogEvent
from reelstream.serving.predictor import Basis, Prediction, PredictionQuery, Predictor
from reelstream.serving.user_states import UserStates


def rated(offset: int, item: int, rating: float | None, timestamp: int, user: int = 1) -> LogEvent:
    return LogEvent(event(user, item, rating, timestamp), 0, offset)


def in_service(
    number: int = 2, trained_end_offsets: dict[int, int] | None = None
) -> tuple[Predictor, FakeModelSet]:
    predictor, model_set = (
        Predictor(LiveHistories()),
        FakeModelSet(number, trained_end_offsets or {}),
    )
    predictor.swap(release(number), model_set, {})
    return predictor, model_set


def mean(predictor: Predictor, user: int = 1) -> float:
    (prediction,) = predictor.serving().predict([PredictionQuery(user, 31)])
    return prediction.mean


def test_before_the_first_set_nothing_is_answered() -> None:
    """A named error, and no number."""
    predictor = Predictor(LiveHistories())
    assert predictor.in_service is None and predictor.number is None
    with pytest.raises(NoModelSetError):
        predictor.serving()


def test_a_set_is_prepared_before_it_answers() -> None:
    """No question waits for a compilation."""
    predictor, model_set = in_service()
    assert model_set.prepared and predictor.number == 2 and predictor.swaps == 1


def test_an_answer_says_what_it_rests_on() -> None:
    """Ratings after `trained_end_offsets` are live."""
    predictor, _ = in_service(trained_end_offsets={0: 1})
    predictor.histories.add([rated(0, 1, 4.0, 10), rated(1, 7, 2.0, 20)])
    known, unknown = predictor.serving().predict([PredictionQuery(1, 31), PredictionQuery(2, 31)])
    assert known.mean == 3.0 and known.basis == Basis(2, 1) and known.basis.known_user
    assert unknown.basis == Basis(0, 0) and not unknown.basis.known_user


def test_the_interval_ends_with_the_scale() -> None:
    """1.96 standard deviations either way, but no rating above five stars."""
    predictor, _ = in_service(number=2)
    predictor.histories.add([rated(0, 1, 5.0, 10)])
    (prediction,) = predictor.serving().predict([PredictionQuery(1, 31)])
    assert (prediction.low, prediction.high) == (pytest.approx(5 - 1.96 * 0.5), 5.0)


def test_answers_come_in_the_order_of_the_questions_and_each_user_is_folded_in_once() -> None:
    """Also when users alternate, and an unknown film stands between."""
    predictor, model_set = in_service()
    predictor.histories.add([rated(0, 1, 4.0, 10, user=1), rated(1, 1, 2.0, 10, user=2)])
    asked = [
        PredictionQuery(1, 31),
        PredictionQuery(2, 31),
        PredictionQuery(1, 999),
        PredictionQuery(2, 100),
        PredictionQuery(1, 7),
    ]
    first, second, third, fourth, fifth = predictor.serving().predict(asked)
    assert [first.mean, second.mean, fourth.mean, fifth.mean] == [4.0, 2.0, 2.0, 4.0]
    assert isinstance(third, UnknownItemError) and "999" in str(third)
    assert model_set.folded == [1, 1]


def test_a_question_is_never_before_the_last_rating() -> None:
    """Asked earlier, it is answered as of the last rating; without a time, now."""
    predictor, model_set = in_service()
    future = int(time.time()) + 5_000
    predictor.histories.add([rated(0, 1, 4.0, future)])
    serving = predictor.serving()
    serving.predict([PredictionQuery(1, 31, at=5)])
    serving.predict([PredictionQuery(1, 31)])
    serving.predict([PredictionQuery(2, 31, at=5)])
    assert model_set.asked_at == [future, future, 5]


def test_a_segment_needs_no_state_and_costs_nobody_one() -> None:
    """It is a function of the history: no user is folded in for it, and none who was is
    forgotten.
    """
    predictor, model_set = in_service(number=2)
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    found, basis = predictor.serving().segment(1)
    assert (found.number, basis.ratings) == (2, 1)
    assert model_set.folded == []
    assert predictor.serving().states.recent(10) == []


def test_a_later_rating_is_learned_and_nothing_is_folded_in_again() -> None:
    """The state goes on from where it was."""
    predictor, model_set = in_service()
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    assert mean(predictor) == 4.0
    predictor.histories.add([rated(1, 7, 2.0, 20)])
    assert mean(predictor) == 3.0
    assert model_set.folded == [1]


def test_a_rating_of_one_user_costs_no_other_user_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """A history is built once, for its own user; ratings that follow are put at its end."""
    predictor, _ = in_service()
    built: list[int] = []
    of_user = LiveHistories.of_user

    def counting(histories: LiveHistories, user_id: int) -> EventColumns:
        built.append(user_id)
        return of_user(histories, user_id)

    monkeypatch.setattr(LiveHistories, "of_user", counting)
    predictor.take([rated(0, 31, 4.0, 10, user=1)])
    assert built == []
    predictor.learn()
    assert built == [1]
    mean(predictor, user=2)
    predictor.take([rated(1, 7, 4.0, 20, user=1)])
    predictor.learn()
    built.clear()
    mean(predictor, user=2)
    assert built == []
    predictor.take([rated(2, 1, 4.0, 30, user=1)])
    mean(predictor, user=1)
    mean(predictor, user=1)
    predictor.learn()
    assert built == []


@pytest.mark.parametrize(
    ("newer", "expected"),
    [
        (rated(1, 7, 2.0, 5), 3.0),
        (rated(1, 1, 2.0, 20), 2.0),
        (rated(1, 1, None, 20), 3.0),
        (rated(1, NO_ITEM, None, 10), 3.0),
    ],
    ids=["late", "changed", "deleted", "forgotten"],
)
def test_what_does_not_simply_follow_folds_the_user_in_again(
    newer: LogEvent, expected: float
) -> None:
    """Late, changed, deleted and erased ratings: the state is that of the present history."""
    predictor, model_set = in_service()
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    mean(predictor)
    predictor.histories.add([newer])
    assert mean(predictor) == expected
    assert len(model_set.folded) == 2


def test_an_excluded_batch_leaves_the_answers() -> None:
    """Files without it replace files with it."""
    predictor, _ = in_service()
    nothing = Histories.of(EventColumns.empty())
    predictor.histories.replace_files(
        nothing, event_columns([1, 1], [1, 7], [5.0, 1.0], [10, 20]), {0: 2}
    )
    assert mean(predictor) == 3.0
    predictor.histories.replace_files(nothing, event_columns([1], [1], [5.0], [10]), {0: 2})
    assert mean(predictor) == 5.0


def test_a_rating_that_moves_from_the_log_into_a_batch_changes_nothing() -> None:
    """Neither the answer nor the state."""
    predictor, model_set = in_service()
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    mean(predictor)
    batch = event_columns([1], [1], [4.0], [10])
    predictor.histories.replace_files(Histories.of(EventColumns.empty()), batch, {0: 1})
    assert mean(predictor) == 4.0
    assert model_set.folded == [1]


def test_a_failed_update_does_not_leave_a_half_updated_state() -> None:
    """The question fails; the next one starts from the whole history."""
    predictor, model_set = in_service()
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    mean(predictor)
    predictor.histories.add([rated(1, 7, 2.0, 20)])
    model_set.learns_badly = True
    with pytest.raises(RuntimeError):
        mean(predictor)
    assert mean(predictor) == 3.0


def test_users_asked_about_are_folded_in_before_the_swap() -> None:
    """Their first question under the new set finds a state."""
    predictor, _ = in_service()
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    mean(predictor)
    newer = FakeModelSet(3)
    predictor.swap(release(3), newer, {})
    assert newer.folded == [1]
    assert mean(predictor) == 4.0
    assert newer.folded == [1]


def test_a_request_keeps_its_set_through_a_swap() -> None:
    """The serving it took goes on answering, from all ratings up to now."""
    predictor, _ = in_service(number=2)
    serving = predictor.serving()
    predictor.swap(release(4), FakeModelSet(4), {})
    predictor.histories.add([rated(0, 1, 4.0, 10)])
    (prediction,) = serving.predict([PredictionQuery(1, 31)])
    assert (prediction.sd, prediction.mean) == (0.5, 4.0)
    assert predictor.serving().predict([PredictionQuery(1, 31)])[0].sd == 0.25


def test_a_hundred_swaps_leave_one_set_in_memory() -> None:
    """With a query and a rating under each: nothing holds what was replaced."""
    predictor, seen = in_service(number=1)[0], list[weakref.ref[object]]()
    for number in range(2, 102):
        predictor.swap(release(number), FakeModelSet(number), {})
        predictor.take([rated(number, 31, 4.0, number)])
        predictor.learn()
        mean(predictor)
        seen += [weakref.ref(predictor.serving()), weakref.ref(predictor.serving().states)]
    gc.collect()
    assert [found for each in seen if (found := each()) is not None] == [
        predictor.serving(),
        predictor.serving().states,
    ]


def test_the_user_asked_least_recently_is_forgotten_first() -> None:
    """The number of states is bounded."""
    model_set = FakeModelSet(1)
    states = UserStates(model_set, LiveHistories(), limit_bytes=2_000)
    for user in (1, 2, 1, 3):
        with states.of_user(user):
            pass
    assert states.recent(10) == [3, 1]


def test_who_only_rates_takes_nobodys_place() -> None:
    """States are kept for those whom queries are about."""
    states = UserStates(FakeModelSet(1), LiveHistories(), limit_bytes=2_000)
    with states.of_user(1, is_query=False):
        pass
    for user in (2, 3):
        with states.of_user(user):
            pass
    with states.of_user(4, is_query=False):
        pass
    assert states.recent(10) == [3, 2]


def test_threads_that_ask_while_ratings_and_sets_arrive_get_answers_of_one_set_each() -> None:
    """Mean and spread of an answer always belong together, and no rating is lost or learned
    twice.
    """
    predictor, _ = in_service(number=1)
    done = threading.Event()

    def ask() -> list[Prediction]:
        """The answers that cannot be one set's."""
        wrong = []
        while not done.is_set():
            serving = predictor.serving()
            for prediction in serving.predict([PredictionQuery(user, 31) for user in (1, 2, 1)]):
                mean = 4.0 if prediction.basis.known_user else 3.0
                if (prediction.mean, prediction.sd) != (mean, 1 / serving.release.number):
                    wrong.append(prediction)
        return wrong

    with ThreadPoolExecutor() as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        for number in range(2, 8):
            predictor.swap(release(number), FakeModelSet(number), {})
            predictor.histories.add([rated(number, number, 4.0, number)])
        done.set()
        assert [asked.result() for asked in asking] == [[], [], [], []]
    assert predictor.serving().predict([PredictionQuery(1, 31)])[0].basis.ratings == 6
