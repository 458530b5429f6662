"""Recommendations on a sample: what a batch or the holdout asks, and what the gate makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from events import event_columns
from reelstream.catalog import Catalog, Film
from reelstream.evaluation import sampled_lists
from reelstream.evaluation.gate import MIN_RANKED_USERS, compare_rankings
from reelstream.evaluation.sampled_lists import (
    CandidateLists,
    ListQuestion,
    questions_of_batch,
    questions_of_holdout,
)
from reelstream.features.vocabulary import Vocabulary
from reelstream.models.choice.columns import ItemColumns
from reelstream.models.choice.live import LiveChoice
from reelstream.models.choice.mixture import Mixture
from reelstream.models.choice.model import ChoiceModel
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories

N_FILMS, LIKE = 30, 4.0


def live_choice() -> LiveChoice:
    """Films of which the first is the most popular, and no film speaks for another."""
    items = Vocabulary(np.arange(N_FILMS))
    model = ChoiceModel(
        items=items,
        columns=ItemColumns.empty(N_FILMS),
        mixture=Mixture(half_life=None),
        popularity=np.arange(N_FILMS, 0, -1.0),
        popular_at=0,
        threshold=LIKE,
        end_offsets={},
    )
    return LiveChoice(model, Catalog(Film(item, str(item)) for item in range(N_FILMS)))


def asked(history: list[int], liked: list[int], at: int = 100) -> ListQuestion:
    return ListQuestion(
        history=event_columns([1] * len(history), history, [5.0] * len(history), history),
        liked=np.array(liked),
        user_id=1,
        at=at,
    )


def test_a_batch_is_asked_about_whatever_is_liked_in_it() -> None:
    """With all ratings before as the history, those of the batch too, and none of the same time."""
    known = Histories.of(event_columns([1, 1], [0, 1], [5.0, 1.0], [10, 60]))
    batch = event_columns(
        [1, 1, 1, 1, 2], [2, 3, 4, 5, 2], [5.0, 1.0, 4.0, 3.0, 2.0], [50, 70, 70, 80, 90]
    )
    first, second = questions_of_batch(batch, known, LIKE)
    assert (first.at, first.history.item_id.tolist(), first.liked.tolist()) == (50, [0], [2])
    assert (second.at, second.history.item_id.tolist(), second.liked.tolist()) == (
        70,
        [0, 2, 1],
        [4],
    )
    assert questions_of_batch(batch[:0], known, LIKE) == []


def test_of_a_large_batch_a_sample_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same one each time."""
    monkeypatch.setattr(sampled_lists, "MAX_BATCH_LISTS", 4)
    batch = event_columns(np.arange(20), [0] * 20, [5.0] * 20, np.arange(20))
    nobody = Histories.of(EventColumns.empty())
    once, again = (questions_of_batch(batch, nobody, LIKE) for _ in range(2))
    assert [each.at for each in once] == sorted(each.at for each in once)
    assert len(once) == 4
    assert [each.user_id for each in once] == [each.user_id for each in again]


def test_the_holdout_is_asked_once_for_each_user() -> None:
    """What is held out and liked is to be found, after all that is known."""
    known = event_columns([1, 2], [0, 0], [5.0, 5.0], [10, 20])
    held_out = event_columns([1, 1, 2, 3], [1, 2, 3, 4], [5.0, 4.0, 1.0, 5.0], [5, 6, 7, 8])
    first, third = questions_of_holdout(known, held_out, LIKE)
    assert (first.user_id, first.liked.tolist(), first.at) == (1, [1, 2], 11)
    assert (third.user_id, third.liked.tolist(), len(third.history)) == (3, [4], 0)


def test_lists_are_ranked_by_choice_times_like() -> None:
    """What was rated is not among them; popularity alone is the measure beside."""
    questions = [asked([0, 1], [12]), asked([], [0])]
    lists = CandidateLists.of(live_choice(), questions, EventColumns.empty())
    queries = lists.queries()
    assert len(queries) == 2 * N_FILMS - 2
    assert not np.isin(queries.item_id[queries.user_id == 1][: N_FILMS - 2], [0, 1]).any()
    np.testing.assert_allclose(lists.popularity, [0, 1])
    nobody_likes_more = lists.ndcg(np.ones(len(queries)))
    np.testing.assert_allclose(nobody_likes_more, lists.popularity)
    liked = np.where(queries.item_id == 12, 1.0, 1e-6)
    np.testing.assert_allclose(lists.ndcg(liked), [1, 1 / np.log2(3)])


def test_popularity_follows_the_stream_until_a_question_is_asked() -> None:
    """Likes at its own time come too late."""
    stream = event_columns([2] * 60, [29] * 60, [5.0] * 60, [50] * 60)
    lists = CandidateLists.of(live_choice(), [asked([], [29], 50), asked([], [29], 51)], stream)
    np.testing.assert_allclose(lists.popularity, [0, 1])


@pytest.mark.parametrize(("lost", "is_worse"), [(0.2, True), (0.1, False), (0.0, False)])
def test_the_gate_compares_lists_in_pairs(lost: float, is_worse: bool) -> None:
    """Worse is what neither chance nor a quarter explains."""
    champion: NDArray[np.float64] = np.random.default_rng(0).random(200)
    found = compare_rankings(champion, champion - lost)
    assert found is not None
    assert found.worse == is_worse
    assert found.champion_ndcg_10 - found.challenger_ndcg_10 == pytest.approx(lost)


def test_few_users_and_chance_decide_nothing() -> None:
    few = np.ones(MIN_RANKED_USERS - 1)
    assert compare_rankings(few, few * 0) is None
    rng = np.random.default_rng(1)
    champion = (rng.random(60) < 0.2).astype(float)
    noisy = compare_rankings(champion, rng.permutation(champion) - 0.01)
    assert noisy is not None
    assert not noisy.worse


def test_lists_may_be_limited_to_some_items() -> None:
    """Neither choice nor popularity then names another."""
    some = np.array([3, 20, 25, 29])
    questions = [asked([20], [3]), asked([], [29])]
    lists = CandidateLists.of(live_choice(), questions, EventColumns.empty(), among=some)
    assert [ids.tolist() for ids in lists.item_ids] == [[3, 25, 29], [3, 20, 25, 29]]
    np.testing.assert_allclose(lists.popularity, [1, 1 / np.log2(5)])
