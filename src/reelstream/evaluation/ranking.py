"""Scores of recommendations: whether what a user likes next was recommended just before.

Ratings of a user with one timestamp are one moment. Its likes are to be found before any of it is
learned; candidates are all films of the catalogue that the user has not rated before. Live, every
rating is learned by its user and its film once its moment has passed, as the server does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reelstream.evaluation.choice_calibration import ChoiceCalibration
from reelstream.evaluation.ranking_scores import DEPTH, FilmPopularity, ListScores, best_rows
from reelstream.features.holdout import is_trainable
from reelstream.models.choice.live import LiveChoice
from reelstream.models.choice.mixture import PAUSE_SECONDS
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.all_items import mean_of_all
from reelstream.models.rating.user_state import UserState
from reelstream.models.recommendation import LiveFilms, RecommendationQuery
from reelstream.ratings.columns import EventColumns

OURS = "ours"
BASELINES = ("popularity", "stars", "ease")


@dataclass(slots=True)
class LaterRatings:
    """Films that were recommended at the start of a session and rated later by their user."""

    said: list[float] = field(default_factory=list)
    """Probability of a like."""
    liked: list[bool] = field(default_factory=list)
    stars: list[float] = field(default_factory=list)


@dataclass(slots=True)
class RankingRun:
    """Scores of all methods on the same questions, in the same order."""

    popularity: FilmPopularity
    lists: dict[str, ListScores] = field(default_factory=dict)
    at_start: dict[str, ListScores] = field(default_factory=dict)
    """Those of moments that begin a session."""
    later: dict[str, LaterRatings] = field(default_factory=dict)
    calibration: ChoiceCalibration = field(default_factory=ChoiceCalibration)
    """Of the choice probability, by time."""

    def add(self, method: str, question: Question, top: NDArray[np.int64]) -> None:
        """One list of film rows."""
        scored = [self.lists, self.at_start] if question.is_start else [self.lists]
        for lists in scored:
            scores = lists.setdefault(method, ListScores(self.popularity))
            scores.add(question.user_id, top, question.targets)


class Moment(NamedTuple):
    """One user at one time, in rows of all ratings sorted by user and time."""

    first: int
    """Row of the user's first rating."""
    start: int
    """Row of the moment's first."""
    end: int
    last: int
    """The row after the user's last."""


class Question(NamedTuple):
    """What is to be found at a moment."""

    user_id: int
    targets: NDArray[np.int64]
    """Rows of the films that are liked."""
    is_start: bool
    """Whether a session begins."""


Ranker = Callable[["Walk", Moment, Question], Iterator[tuple[str, NDArray[np.int64]]]]


class Walk:
    """Goes through the moments of the test ratings in time, and learns them."""

    def __init__(self, model_set: ModelSet, train: EventColumns, test: EventColumns) -> None:
        events = EventColumns.concatenate([train, test])
        order = np.lexsort((events.offset, events.partition, events.timestamp, events.user_id))
        self.events = events[order]
        self.is_test = order >= len(train)
        self.model_set = model_set
        self.films = LiveFilms(
            model_set=model_set,
            choice=LiveChoice(model_set.models.of_type(ChoiceModel), model_set.catalog),
            items=model_set.online_items(),
        )
        self.rows = self.films.choice.rows(self.events.item_id)
        self.states: dict[int, UserState] = {}
        self._is_trainable = is_trainable(self.events)

    def moments(self) -> Iterator[Moment]:
        """Those with a test rating, rising in time."""
        user, time = self.events.user_id, self.events.timestamp
        begins = (user[1:] != user[:-1]) | (time[1:] != time[:-1])
        # A time at which the split cuts a user's ratings in two is two moments.
        begins |= self.is_test[1:] != self.is_test[:-1]
        starts = np.flatnonzero(np.append(True, begins))
        ends = np.append(starts[1:], len(user))
        firsts = np.searchsorted(user, user[starts])
        lasts = np.searchsorted(user, user[starts], side="right")
        order = np.argsort(time[starts], kind="stable")
        for place in order[self.is_test[starts[order]]].tolist():
            yield Moment(
                int(firsts[place]), int(starts[place]), int(ends[place]), int(lasts[place])
            )

    def question(self, moment: Moment) -> Question | None:
        """None where nothing is liked."""
        span = slice(moment.start, moment.end)
        liked = self.events.rating[span] >= self.model_set.scale.like_threshold
        if not liked.any():
            return None
        time = self.events.timestamp
        is_start = moment.start == moment.first or bool(
            time[moment.start] - time[moment.start - 1] > PAUSE_SECONDS
        )
        return Question(int(self.events.user_id[moment.start]), self.rows[span][liked], is_start)

    def history(self, moment: Moment) -> EventColumns:
        """The user's ratings before the moment."""
        return self.events[moment.first : moment.start]

    def state(self, moment: Moment) -> UserState:
        """The user as the rating model sees him or her before the moment."""
        user_id = int(self.events.user_id[moment.start])
        if user_id not in self.states:
            # Once a user: from then on `learn` keeps it up to date.
            self.states[user_id] = self.model_set.fold_in(self.history(moment))
        return self.states[user_id]

    def at(self, moment: Moment) -> int:
        """The time of the moment."""
        return int(self.events.timestamp[moment.start])

    def learn(self, moment: Moment) -> None:
        """Let the user and the films learn the moment's ratings, one by one."""
        state, events = self.state(moment), self.events
        for row in range(moment.start, moment.end):
            if self._is_trainable[row]:
                self.model_set.update_item(
                    state,
                    int(events.item_id[row]),
                    float(events.rating[row]),
                    self.at(moment),
                    self.films.items,
                )
            self.model_set.update(state, events[row : row + 1])
        self.films.choice.update(events[moment.start : moment.end], self.history(moment))


def rank_in_time(
    model_set: ModelSet,
    train: EventColumns,
    test: EventColumns,
    *,
    is_live: bool,
    rankers: tuple[Ranker, ...] = (),
) -> RankingRun:
    """Ours and the baselines on all moments of `test`; with `rankers`, others beside them."""
    walk = Walk(model_set, train, test)
    choice = walk.films.choice
    counts = np.bincount(choice.rows(train.item_id), minlength=len(choice))
    run = RankingRun(popularity=FilmPopularity.of(counts))
    for moment in walk.moments():
        if is_live:
            scores = choice.score(walk.history(moment), walk.at(moment))
            run.calibration.add(scores.choice, walk.rows[moment.start : moment.end])
        question = walk.question(moment)
        if question is not None:
            for method, top in _lists(walk, run, moment, question, is_live=is_live):
                run.add(method, question, top)
            for ranker in rankers:
                for method, top in ranker(walk, moment, question):
                    run.add(method, question, top)
        if is_live:
            walk.learn(moment)
    return run


def rank_for_anonymous_users(
    model_set: ModelSet, train: EventColumns, folded: EventColumns, hidden: EventColumns
) -> RankingRun:
    """Ours and the baselines for users that the set has not seen: of each some ratings are `folded`
    in, and the likes among `hidden` are to be found (strong generalization; Marlin, 2004).

    Candidates are the films of `train`.
    """
    choice = LiveChoice(model_set.models.of_type(ChoiceModel), model_set.catalog)
    films = LiveFilms(model_set=model_set, choice=choice, items=model_set.online_items())
    n_rated = len(choice.model.items)
    counts = np.bincount(choice.rows(train.item_id), minlength=n_rated)[:n_rated]
    run = RankingRun(popularity=FilmPopularity.of(counts))
    unseen = choice.item_ids[n_rated:].tolist()
    folded, hidden = folded.by_user(), hidden.by_user()
    for user_id in np.unique(hidden.user_id).tolist():
        history, rest = (
            each[slice(*np.searchsorted(each.user_id, [user_id, user_id + 1]))]
            for each in (folded, hidden)
        )
        targets = choice.rows(rest.item_id[rest.rating >= model_set.scale.like_threshold])
        # A film that training never saw is no candidate, and cannot be found.
        targets = targets[(targets >= 0) & (targets < n_rated)]
        if not len(targets):
            continue
        question = Question(user_id, targets, is_start=False)
        state, at = model_set.fold_in(history), int(history.timestamp.max(initial=0))
        query = RecommendationQuery(n=DEPTH, exclude=unseen)
        run.add(OURS, question, choice.rows(films.recommend(state, history, query, at).item_ids))
        scores, belief = choice.score(history, at), model_set.belief_at(state, at)
        stars = mean_of_all(model_set.rating, films.items, choice.model.items.ids, belief)
        seen = scores.seen[scores.seen < n_rated]
        for name, values in zip(
            BASELINES, (scores.parts[2, :n_rated], stars, scores.parts[0, :n_rated]), strict=True
        ):
            run.add(name, question, best_rows(values, seen))
    return run


def _lists(
    walk: Walk, run: RankingRun, moment: Moment, question: Question, *, is_live: bool
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    history = walk.history(moment)
    seen = np.unique(walk.rows[moment.first : moment.start])
    if not is_live:
        # What a set knew that has learned nothing since: but nothing is recommended twice.
        history = history[~walk.is_test[moment.first : moment.start]]
    films, at = walk.films, walk.at(moment)
    state = walk.state(moment) if is_live else walk.model_set.fold_in(history)
    query = RecommendationQuery(n=DEPTH, exclude=films.choice.item_ids[seen].tolist())
    ours = films.recommend(state, history, query, at)
    top = films.choice.rows(ours.item_ids)
    yield OURS, top
    scores = films.choice.score(history, at)
    ease = best_rows(scores.parts[0], seen)
    yield "ease", ease
    yield "popularity", best_rows(scores.parts[2], seen)
    belief = walk.model_set.belief_at(state, at)
    stars = mean_of_all(walk.model_set.rating, films.items, films.choice.item_ids, belief)
    yield "stars", best_rows(stars, seen)
    if question.is_start:
        rows = np.arange(moment.start, moment.last)
        probability = dict(zip(top.tolist(), ours.predictions.like_probability, strict=True))
        for method, list_ in ((OURS, top[:10]), ("ease", ease[:10])):
            later = run.later.setdefault(method, LaterRatings())
            for row in rows[np.isin(walk.rows[rows], list_)]:
                rating = float(walk.events.rating[row])
                later.said.append(float(probability.get(int(walk.rows[row]), np.nan)))
                later.liked.append(rating >= walk.model_set.scale.like_threshold)
                later.stars.append(rating)
