"""Answers queries from the model set in service and every user's ratings up to now."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from reelstream.errors import NoModelSetError, UnknownItemError
from reelstream.models.explanation import Explanation, explain
from reelstream.models.model_set import KnownUsers, ModelSet
from reelstream.models.recommendation import (
    GroupRecommendations,
    Member,
    RecommendationQuery,
    Recommendations,
    SimilarItems,
)
from reelstream.models.segment.description import Segment
from reelstream.models.taste import GenreTastes
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.events import Erased, Rated
from reelstream.ratings.scale import RatingScale
from reelstream.serving.activity import Activity
from reelstream.serving.live_histories import LiveHistories, LogEvent, Position
from reelstream.serving.live_items import LiveItems
from reelstream.serving.live_scores import LiveScores
from reelstream.serving.shown_lists import ShownLists
from reelstream.serving.user_states import FoldedUser, UserStates
from reelstream.storage.release import Release
from reelstream.strategies import GroupRule

log = structlog.get_logger()

# So many of the users queried last are folded in under a new set before it goes into service.
USERS_REFOLDED = 100
# Events from the log that may wait for items to learn them; with more, none of them is learned.
MAX_WAITING = 1_000
# With more waiting, only users whose state is at hand teach items anything: to fold in others, whom
# perhaps nobody has a query about, takes some milliseconds each.
MAX_FOLDED_IN = 100
# Events that are learned together: for so long a query may wait, and so much less does each cost.
MAX_TOGETHER = 16


class PredictionQuery(NamedTuple):
    """What one user would make of one item."""

    user_id: int
    item_id: int
    at: int | None = None
    """Seconds since 1970, UTC; now by default, and never before the user's last rating."""


class Basis(NamedTuple):
    """What an answer rests on."""

    ratings: int
    """The user's ratings that it has seen."""
    live: int
    """Those of them after the set's `trained_end_offsets`."""

    @property
    def known_user(self) -> bool:
        """False: answered from the prior alone."""
        return self.ratings > 0


class Prediction(NamedTuple):
    """The answer to one query."""

    mean: float
    """The expected rating, cut off at the ends of the scale."""
    sd: float
    """Standard deviation of the rating, on its scale."""
    low: float
    high: float
    """The central 95 % interval, mean ± 1.96 sd, cut off likewise."""
    like_probability: float
    distribution: list[float]
    """Probability of each rating of the scale, rising."""
    basis: Basis


class Expected(NamedTuple):
    """What was expected of a rating before it was known."""

    mean: float
    sd: float
    like_probability: float


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A model set in service. A request takes one and answers from it alone, whatever is swapped
    meanwhile.
    """

    release: Release
    model_set: ModelSet
    histories: LiveHistories
    states: UserStates
    items: LiveItems
    since: float = field(default_factory=time.time)
    """When it was ready, in seconds since 1970, UTC."""

    def predict(self, queries: Sequence[PredictionQuery]) -> list[Prediction | UnknownItemError]:
        """An answer, or the reason why there is none, for each query in its order.

        Each user is folded in once for all queries at one time.
        """
        now = int(time.time())
        positions: dict[tuple[int, int], list[int]] = {}
        for position, query in enumerate(queries):
            key = (query.user_id, now if query.at is None else query.at)
            positions.setdefault(key, []).append(position)
        answers: dict[int, Prediction | UnknownItemError] = {}
        for (user_id, at), of_user in positions.items():
            item_ids = [queries[position].item_id for position in of_user]
            answers.update(zip(of_user, self._predict_user(user_id, item_ids, at), strict=True))
        return [answers[position] for position in range(len(queries))]

    def explain(self, query: PredictionQuery) -> tuple[Explanation, EventColumns, Basis]:
        """Why the expected rating is what it is, with the user's ratings that its parts belong to.

        Raises UnknownItemError.
        """
        if not self.model_set.knows(query.item_id):
            raise UnknownItemError(query.item_id)
        at = int(time.time()) if query.at is None else query.at
        item = query.item_id, self.items.row_of(query.item_id)
        with self.states.of_user(query.user_id) as user:
            explanation = explain(self.model_set, user.state, user.history, item, at)
            return explanation, user.history, self._basis_of(user)

    def segment(self, user_id: int) -> tuple[Segment, Basis]:
        """Which kind of user this is."""
        history = self.histories.of_user(user_id)
        return self.model_set.segment_of(history), self._basis(history)

    def recommend(
        self, user_id: int, query: RecommendationQuery, at: int | None = None
    ) -> Recommendations:
        """What this user may like to watch next, at a time in seconds since 1970; by default now.

        Raises MissingFamilyError for a set without the choice model, InputError for a wrong query.
        """
        return self.recommend_with_basis(user_id, query, at)[0]

    def recommend_with_basis(
        self, user_id: int, query: RecommendationQuery, at: int | None = None
    ) -> tuple[Recommendations, Basis]:
        """The same, and what it rests on."""
        at = int(time.time()) if at is None else at
        query = self._without_dismissed(query, [user_id])
        with self.states.of_user(user_id) as user:
            last = int(user.history.timestamp[-1]) if len(user.history) else at
            found = self.items.recommend(user.state, user.history, query, max(at, last))
            return found, self._basis_of(user)

    def recommend_without(
        self,
        user_id: int,
        item_ids: Collection[int],
        query: RecommendationQuery,
        at: int | None = None,
    ) -> tuple[Recommendations, Basis]:
        """The same as if the user had not rated these items."""
        history = self.histories.of_user(user_id)
        others = history[~np.isin(history.item_id, list(item_ids))]
        query = self._without_dismissed(query, [user_id])
        found = self.recommend_to(others, query, int(time.time()) if at is None else at)
        return found, self._basis(others)

    def recommend_to(
        self, history: EventColumns, query: RecommendationQuery, at: int
    ) -> Recommendations:
        """The same for somebody who is not in the stream, with these ratings, oldest first."""
        last = int(history.timestamp[-1]) if len(history) else at
        state = self.model_set.fold_in(history)
        return self.items.recommend(state, history, query, max(at, last))

    def recommend_to_group(
        self, user_ids: Collection[int], query: RecommendationQuery, rule: GroupRule
    ) -> GroupRecommendations:
        """The same for several users, in the order of their ids; see
        `LiveFilms.recommend_to_group`.
        """
        query = self._without_dismissed(query, user_ids)
        with ExitStack() as held:
            # Rising: two groups that share users must not wait for each other.
            users = [held.enter_context(self.states.of_user(each)) for each in sorted(user_ids)]
            members = [Member(user.state, user.history) for user in users]
            last = [int(user.history.timestamp[-1]) for user in users if len(user.history)]
            at = max(int(time.time()), *last, 0)
            return self.items.recommend_to_group(members, query, at, rule)

    def similar(self, item_id: int, n: int = 10) -> SimilarItems:
        """The films that the same people watch. Raises UnknownItemError, MissingFamilyError."""
        return self.items.similar(item_id, n)

    def questions(self, user_id: int, n: int = 10) -> NDArray[np.int64]:
        """Ids of the films to ask this user about, the most telling first.

        Raises MissingFamilyError for a set without the choice model.
        """
        now = int(time.time())
        dismissed = self.histories.dismissed_by(user_id).item_id
        with self.states.of_user(user_id) as user:
            last = int(user.history.timestamp[-1]) if len(user.history) else now
            asked = self.items.questions(
                user.state, user.history, n + len(dismissed), max(now, last)
            )
        return asked[~np.isin(asked, dismissed)][:n]

    def learn(self, ratings: EventColumns) -> dict[Position, Expected]:
        """Let items learn ratings from the log, in its order, that are in the histories already.

        Returns what was expected of those that count and whose items are known: a rating that was
        replaced, deleted or erased since is passed over.
        """
        learned = ~ratings.is_after(self.items.caught_up)
        places = list(zip(ratings.partition.tolist(), ratings.offset.tolist(), strict=True))
        before: dict[Position, KnownUsers] = {}
        histories = []
        for user_id in np.unique(ratings.user_id).tolist():
            with self.states.of_user(user_id, is_query=False) as user:
                own = [place for place in places if place in user.before]
                before |= {place: user.before.pop(place) for place in own}
                histories.append(user.history[~self.histories.is_unlearned(user.history)])
        counting = np.array([place in before for place in places]) & ~learned
        self.items.update_choice(ratings[counting], EventColumns.concatenate(histories))
        counting &= [self.model_set.knows(item_id) for item_id in ratings.item_id.tolist()]
        if not counting.any():
            return {}
        chosen = [place for place, counts in zip(places, counting, strict=True) if counts]
        known = KnownUsers.concatenate([before[place] for place in chosen])
        found = self.items.learn(ratings[counting], known)
        numbers = found.mean.tolist(), found.sd.tolist(), found.like_probability.tolist()
        return dict(zip(chosen, map(Expected, *numbers), strict=True))

    @cached_property
    def tastes(self) -> GenreTastes:
        """For questions about what users like."""
        return GenreTastes(self.model_set)

    @cached_property
    def popularity(self) -> Mapping[int, int]:
        """Item -> how many ratings of it the set was trained on."""
        rating = self.model_set.rating
        return dict(zip(rating.item_ids.tolist(), rating.item_counts.tolist(), strict=True))

    def _without_dismissed(
        self, query: RecommendationQuery, user_ids: Collection[int]
    ) -> RecommendationQuery:
        """The query, without films in which one of these users is not interested."""
        dismissed = [
            item_id
            for user_id in user_ids
            for item_id in self.histories.dismissed_by(user_id).item_id.tolist()
        ]
        return replace(query, exclude=[*query.exclude, *dismissed]) if dismissed else query

    def _predict_user(
        self, user_id: int, item_ids: list[int], at: int
    ) -> Iterable[Prediction | UnknownItemError]:
        known = [item_id for item_id in item_ids if self.model_set.knows(item_id)]
        with self.states.of_user(user_id) as user:
            answers = iter(self._predict_known(user, known, at)) if known else iter(())
        known_ids = set(known)
        return [
            next(answers) if item_id in known_ids else UnknownItemError(item_id)
            for item_id in item_ids
        ]

    def _predict_known(self, user: FoldedUser, item_ids: list[int], at: int) -> list[Prediction]:
        last = int(user.history.timestamp[-1]) if len(user.history) else at
        predicted = self.items.predict(user.state, np.array(item_ids, np.int64), max(at, last))
        scale, basis = self.model_set.scale, self._basis_of(user)
        mean, low, high = (values.tolist() for values in predicted.intervals(scale))
        columns = zip(
            mean, predicted.sd.tolist(), low, high, predicted.like_probability.tolist(), strict=True
        )
        distributions = predicted.distribution.tolist()
        return [
            Prediction(*numbers, chances, basis)
            for numbers, chances in zip(columns, distributions, strict=True)
        ]

    def _basis_of(self, user: FoldedUser) -> Basis:
        # Kept: to look through the history takes as long as to predict.
        if user.live is None:
            user.live = self._basis(user.history).live
        return Basis(len(user.history), user.live)

    def _basis(self, history: EventColumns) -> Basis:
        live = history.is_after(self.model_set.trained_on.trained_end_offsets)
        return Basis(len(history), int(np.count_nonzero(live)))


class Predictor:
    """Holds what is in service: one reference, swapped in one step."""

    def __init__(self, histories: LiveHistories) -> None:
        self.histories = histories
        self.activity = Activity()
        """What happens, for those who watch."""
        self.lists = ShownLists()
        """What users were recommended."""
        self.scores = LiveScores()
        """How good expectations of live ratings were."""
        self.swaps = 0
        self.item_updates = 0
        """Ratings from the log that items were given; those of the holdout change nothing."""
        self.item_updates_shed = 0
        """Ratings from the log that items were not given, because too many came at once, or because
        the update failed.
        """
        self._waiting: list[LogEvent] = []
        self._waiting_lock = threading.Lock()
        self._serving: Serving | None = None
        self._swapping = threading.Lock()

    @property
    def in_service(self) -> Serving | None:
        """What is in service; None before the first set."""
        return self._serving

    @property
    def waiting(self) -> int:
        """Events that items have yet to learn."""
        return len(self._waiting)

    @property
    def number(self) -> int | None:
        """The number of the set in service."""
        return None if self._serving is None else self._serving.release.number

    def serving(self) -> Serving:
        """What is in service; a request calls this once. Raises NoModelSetError before the first
        set.
        """
        if self._serving is None:
            raise NoModelSetError(
                "no model set is in service yet: the first one follows the first closed batch"
            )
        return self._serving

    def as_of(self, serving: Serving) -> Predictor:
        """A view of this predictor in which another set is in service; only for questions."""
        other = copy(self)
        other._serving = serving
        return other

    def take(self, rows: Sequence[LogEvent]) -> int:
        """Events from the log, in its order: from now on they are in the answers about their users.

        Returns how many the files did not hold. All else that follows from them is done by `learn`,
        later: nobody has to wait for it.
        """
        new = [row for row in rows if self.histories.lacks(row)]
        with self._waiting_lock:
            learned = dict(self.histories.learned_end_offsets)
            for row in new:
                learned.setdefault(row.partition, row.offset)
            # First: whoever sees a rating sees that it is to be learned.
            self.histories.learned_end_offsets = learned
            self._waiting += new
        return self.histories.add(rows)

    def learn(self) -> None:
        """Let items learn what was taken since the last time, and note it for those who watch and
        in lists; one thread at a time.

        An item learns a rating from what was known of its user without it. When too many wait they
        are only counted: a history is never late.
        """
        with self._waiting_lock:
            rows, self._waiting = self._waiting, []
        if len(rows) > MAX_WAITING:
            self._pass_over(rows)
            return
        for together in _together(rows):
            ratings, serving = _ratings(together), self._serving
            expected = {}
            if serving is not None and len(ratings):
                expected = self._learn(serving, ratings, folds_in=len(rows) <= MAX_FOLDED_IN)
            self._has_learned(together)
            for row in together:
                self._note(row, expected.get((row.partition, row.offset)))

    def _learn(
        self, serving: Serving, ratings: EventColumns, *, folds_in: bool
    ) -> dict[Position, Expected]:
        try:
            if not folds_in:
                has_state = np.array(
                    [serving.states.holds(user_id) for user_id in ratings.user_id.tolist()], bool
                )
                serving.items.count(ratings[~has_state])
                self.item_updates_shed += len(ratings) - int(np.count_nonzero(has_state))
                ratings = ratings[has_state]
            expected = serving.learn(ratings)
        except Exception as error:  # whatever it is, it must not keep later ones from being learned
            log.error("item_update_failed", error=str(error), ratings=len(ratings))
            self.item_updates_shed += len(ratings)
            return {}
        self.item_updates += len(expected)
        self._score(serving.model_set.scale, ratings, expected)
        return expected

    def _score(
        self, scale: RatingScale, ratings: EventColumns, expected: Mapping[Position, Expected]
    ) -> None:
        columns = ratings.partition, ratings.offset, ratings.rating
        for partition, offset, rating in zip(*(each.tolist() for each in columns), strict=True):
            found = expected.get((partition, offset))
            if found is not None:
                error = rating - min(max(found.mean, scale.lowest), scale.highest)
                liked = rating >= scale.like_threshold
                self.scores.note(error, found.like_probability, liked=liked)

    def _pass_over(self, rows: Sequence[LogEvent]) -> None:
        """Note that many events came."""
        if self._serving is not None:
            self.item_updates_shed += len(rows)
            self._serving.items.count(_ratings(rows))
        self._has_learned(rows)
        for row in rows:
            # An erasure in any case: what its user did before must not be shown any longer.
            self._note(row, is_shown=isinstance(row.event, Erased))
        self.activity.note("ratings", ratings=len(rows))

    def _has_learned(self, rows: Sequence[LogEvent]) -> None:
        with self._waiting_lock:
            ends = {row.partition: row.offset + 1 for row in rows}
            self.histories.learned_end_offsets = {**self.histories.learned_end_offsets, **ends}

    def _note(
        self, row: LogEvent, expected: Expected | None = None, *, is_shown: bool = True
    ) -> None:
        """Tell those who watch, the lists that users were shown, and films of an erasure."""
        event = row.event
        if is_shown:
            self.activity.note_event(event, expected and (expected.mean, expected.sd))
        if isinstance(event, Rated):
            self.lists.note_rating(event.user_id, event.item_id)
        elif isinstance(event, Erased):
            self.lists.forget(event.user_id)
            if self._serving is not None:
                self._serving.items.forget(event.user_id)

    def renew_items(self, judged: Mapping[int, int]) -> None:
        """Start the items of the set in service afresh, and update them with what they may learn.

        judged: see `LiveItems.catch_up`.
        """
        with self._swapping:
            serving = self._serving
            if serving is not None:
                items = LiveItems(serving.model_set)
                items.catch_up(self.histories, judged)
                self._serving = replace(serving, items=items)

    def swap(self, release: Release, model_set: ModelSet, judged: Mapping[int, int]) -> None:
        """Put a set into service: made ready beside the old one, which answers until then.

        judged: see `LiveItems.catch_up`.
        """
        with self._swapping:
            model_set.prepare()
            states, items = UserStates(model_set, self.histories), LiveItems(model_set)
            items.prepare()
            items.catch_up(self.histories, judged)
            # Before the swap, so that no query waits; the latest used last, to be dropped last.
            if self._serving is not None:
                for user_id in reversed(self._serving.states.recent(USERS_REFOLDED)):
                    with states.of_user(user_id):
                        pass
            self._serving = Serving(
                release=release,
                model_set=model_set,
                histories=self.histories,
                states=states,
                items=items,
            )
            self.swaps += 1
            self.activity.note("swap", number=release.number)


def _together(rows: Sequence[LogEvent]) -> Iterator[list[LogEvent]]:
    """The events in their order, some at a time; an erasure comes alone."""
    part: list[LogEvent] = []
    for row in rows:
        is_erasure = isinstance(row.event, Erased)
        if part and (is_erasure or len(part) == MAX_TOGETHER):
            yield part
            part = []
        part.append(row)
        if is_erasure:
            yield part
            part = []
    if part:
        yield part


def _ratings(rows: Sequence[LogEvent]) -> EventColumns:
    """Those events of the log that are ratings."""
    rated = [row for row in rows if isinstance(row.event, Rated)]
    return EventColumns.of_events(
        [row.event for row in rated],
        [row.partition for row in rated],
        [row.offset for row in rated],
    )
