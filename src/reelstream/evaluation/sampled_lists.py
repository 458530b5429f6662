"""Recommendations on a sample of questions, cheap enough for every batch.

A list is what the server would recommend: the likeliest CANDIDATES by choice, ranked by choice
times like. How likely they are liked is asked for all lists at once, in one replay of their users.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reelstream.evaluation.ranking_scores import best_rows, ndcg
from reelstream.models.choice.live import LiveChoice
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.histories import Histories

# Films of a list that are scored, and films of which the ten are the best.
LENGTH, CANDIDATES = 10, 100
# Lists of a batch, and at the gate: they cost some tenths of a second.
MAX_BATCH_LISTS, MAX_GATE_LISTS = 100, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """What a user is to be recommended at one time."""

    history: EventColumns
    """The user's ratings before, oldest first."""
    liked: NDArray[np.int64]
    """(m,): ids of the items that should be recommended, at least one."""
    user_id: int
    at: int
    """Seconds since 1970."""


def questions_of_batch(
    batch: EventColumns, known: Histories, threshold: float
) -> list[ListQuestion]:
    """A sample of the times at which a user of a batch liked something, rising; `known`: ratings
    before the batch.
    """
    by_user = batch.by_user()
    user, times = by_user.user_id, by_user.timestamp
    starts = np.flatnonzero(np.append(True, (user[1:] != user[:-1]) | (times[1:] != times[:-1])))
    ends = np.append(starts[1:], len(user))
    is_like = by_user.rating >= threshold
    with_likes = np.flatnonzero(np.add.reduceat(is_like, starts)) if len(user) else starts[:0]
    rng = np.random.default_rng(0)
    # In the order of the log, whatever the users' ids are.
    with_likes = with_likes[by_user[starts[with_likes]].positions.argsort()]
    chosen = rng.permutation(with_likes)[:MAX_BATCH_LISTS]
    questions = []
    for start, end in zip(starts[chosen].tolist(), ends[chosen].tolist(), strict=True):
        first = int(np.searchsorted(user, user[start]))
        older = known.of_user(int(user[start]))
        # A batch may bring ratings that are older than those before it.
        history = EventColumns.concatenate(
            [older[older.timestamp < times[start]], by_user[first:start]]
        )
        moment = by_user[start:end]
        questions.append(
            ListQuestion(
                history=history.by_time(),
                liked=moment.item_id[is_like[start:end]],
                user_id=int(user[start]),
                at=int(times[start]),
            )
        )
    return sorted(questions, key=lambda question: question.at)


def questions_of_holdout(
    known: EventColumns, held_out: EventColumns, threshold: float
) -> list[ListQuestion]:
    """One question for each of some users who like something that is held out of `known`."""
    liked = held_out[held_out.rating >= threshold].by_user()
    users, firsts = np.unique(liked.user_id, return_index=True)
    users = users[liked[firsts].positions.argsort()]
    histories = Histories.of(known)
    return [
        ListQuestion(
            history=(history := histories.of_user(user)),
            liked=liked.item_id[liked.user_id == user],
            user_id=user,
            # After all of the history: a query is answered from what is before it.
            at=int(history.timestamp.max(initial=0)) + 1,
        )
        for user in users[:: len(users) // MAX_GATE_LISTS + 1].tolist()
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLists:
    """L lists of films that are likely to be chosen, still to be ranked by like."""

    questions: Sequence[ListQuestion]
    item_ids: list[NDArray[np.int64]]
    """Of each list: at most CANDIDATES items."""
    choice: list[NDArray[np.float32]]
    popularity: NDArray[np.float64]
    """(L,): NDCG@10 of what is popular."""

    @classmethod
    def of(
        cls,
        choice: LiveChoice,
        questions: Sequence[ListQuestion],
        stream: EventColumns,
        *,
        among: NDArray[np.int64] | None = None,
    ) -> CandidateLists:
        """The likeliest by `choice`, which counts the likes of `stream`, rising in time, as it
        passes by; questions are rising too. `among`: ids of the only items to be listed.
        """
        left_out = np.empty(0, np.int64)
        if among is not None:
            left_out = np.flatnonzero(~np.isin(choice.item_ids, among))
        item_ids, chances, popularity, learned = [], [], [], 0
        for question in questions:
            end = int(np.searchsorted(stream.timestamp, question.at))
            choice.count(stream[learned:end])
            learned = max(learned, end)
            scores = choice.score(question.history, question.at)
            unlisted = np.concatenate([scores.seen, left_out])
            rows = best_rows(scores.choice, unlisted, CANDIDATES)
            item_ids.append(choice.item_ids[rows])
            chances.append(scores.choice[rows])
            popular = choice.item_ids[best_rows(scores.parts[2], unlisted, LENGTH)]
            popularity.append(ndcg(np.isin(popular, question.liked), LENGTH, len(question.liked)))
        return cls(
            questions=questions,
            item_ids=item_ids,
            choice=chances,
            popularity=np.array(popularity),
        )

    def queries(self) -> EventColumns:
        """One event for each candidate of each list, before what its user does at that time."""
        lengths = [len(items) for items in self.item_ids]
        return EventColumns.of(
            np.repeat([question.user_id for question in self.questions], lengths),
            np.concatenate([np.empty(0, np.int64), *self.item_ids]),
            np.zeros(sum(lengths)),
            np.repeat([question.at for question in self.questions], lengths),
            partition=np.full(sum(lengths), -1),
        )

    def ndcg(self, like: NDArray[np.float64]) -> NDArray[np.float64]:
        """(L,): NDCG@10 of each list, given the like probability of each query."""
        found, first = [], 0
        for question, item_ids, choice in zip(
            self.questions, self.item_ids, self.choice, strict=True
        ):
            value = choice * like[first : first + len(item_ids)]
            first += len(item_ids)
            best = item_ids[np.argsort(-value, kind="stable")[:LENGTH]]
            found.append(ndcg(np.isin(best, question.liked), LENGTH, len(question.liked)))
        return np.array(found)

    @property
    def user_ids(self) -> NDArray[np.int64]:
        """(L,): whom each list is for."""
        return np.array([question.user_id for question in self.questions], np.int64)
