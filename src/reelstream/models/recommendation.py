"""Recommendations: which films a user would choose and like, of all that he or she has not rated.

    P(chosen next and liked) = P(chosen next | history) P(like | user, film, chosen)

The second factor is the like model's own question, as it is fitted to ratings: nothing has to be
assumed about films that nobody rated (a hurdle model; Mullahy, 1986). All films are scored by
choice, and the likeliest few hundred are ranked by both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from reelstream.errors import InputError, UnknownItemError
from reelstream.models.choice.live import ChoiceScores, LiveChoice
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.like.model import Posterior
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.rating.all_items import mean_of_all
from reelstream.models.rating.online_items import ItemQueries, OnlineItems
from reelstream.models.rating.user_state import UserState
from reelstream.ratings.columns import EventColumns
from reelstream.strategies import MAX_RECOMMENDATIONS, GroupRule, Strategy

# So many places of a list are filled from so many films, the likeliest by choice, ranked by both
# factors. In stages: a longer list begins with the shorter one, no film comes up to the first
# places from far below for its stars alone, and a short list, which is wanted most, is computed
# fast.
STAGES = ((10, 100), (100, 300), (MAX_RECOMMENDATIONS, 3 * MAX_RECOMMENDATIONS))
# The most rated films, among which those are found that a newcomer is asked about.
ASKED_AMONG = 300
# Of the noise on log choice that explores: half a unit would cost a third of NDCG, this a tenth.
GUMBEL_SCALE = 0.1
# Own films that are named as the reason of a recommendation.
MAX_REASONS = 3
# Each member of a group brings the films of so many places of a list.
GROUP_PLACES = 100
# Fewer probabilities are told apart than this: a film's chance of a like is never quite nothing.
MIN_LIKE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationQuery:
    """What recommendations are wanted."""

    n: int = 10
    strategy: Strategy = "best"
    """`best`: chosen and liked; `rating`: the expected stars alone, which recommends what hardly
    anybody watches; `cautious`: the lower bound of the stars among the likely chosen; `explore`:
    `best`, with stars drawn from what is known of them (Thompson) and some noise on choice.
    """
    genres: Collection[str] = ()
    """Films with one of them; all films when empty."""
    first_year: int | None = None
    last_year: int | None = None
    exclude: Collection[int] = ()
    """Ids of items that are left out besides those that the user has rated."""
    variety: float = 0.0
    """From 0, the best films, to 1: how much less a film counts for being like one above it
    (maximal marginal relevance; Carbonell and Goldstein, SIGIR 1998).
    """
    seed: int = 0
    """Of `explore`."""
    include_rated: bool = False
    """Whether films that the user has rated stay in the list; only for `rating`."""

    def check(self) -> None:
        """Raises InputError."""
        if not 1 <= self.n <= MAX_RECOMMENDATIONS:
            raise InputError(f"n is {self.n}: name a number from 1 to {MAX_RECOMMENDATIONS}")
        if not 0 <= self.variety <= 1:
            raise InputError(f"variety is {self.variety:g}: name a number from 0 to 1")
        if self.include_rated and self.strategy != "rating":
            raise InputError(
                "rated films are ranked by their stars alone, as nobody chooses a film twice: take"
                " the strategy rating to include them"
            )


class RecommendationOptions(TypedDict, total=False):
    """The fields of a `RecommendationQuery` by name, for functions that pass them on."""

    strategy: Strategy
    genres: Collection[str]
    first_year: int | None
    last_year: int | None
    exclude: Collection[int]
    variety: float
    seed: int
    include_rated: bool


class Reason(NamedTuple):
    """A film that the user has rated, and its part in bringing up another."""

    item_id: int
    share: float
    """Of what all own films add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendations:
    """k films, the best first."""

    item_ids: NDArray[np.int64]
    """(k,)"""
    scores: NDArray[np.float64]
    """(k,): what they are ranked by."""
    choice: NDArray[np.float64]
    """(k,): the probability that the user takes this film next, of all not rated yet."""
    parts: NDArray[np.float64]
    """(k, len(PARTS)): the part of each reason of the mixture in it."""
    predictions: Predictions
    reasons: list[list[Reason]]
    """For each film, the own films that brought it up, the strongest first; none where it is there
    for another reason.
    """


class Member(NamedTuple):
    """One user of a group."""

    state: UserState
    history: EventColumns
    """What the state was updated with, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecommendations:
    """k films for a group, the best first."""

    item_ids: NDArray[np.int64]
    """(k,)"""
    scores: NDArray[np.float64]
    """(k,): what they are ranked by."""
    predictions: list[Predictions]
    """Of each member, for these films."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarItems:
    """k films that the same people watch, the most similar first."""

    item_ids: NDArray[np.int64]
    """(k,)"""
    scores: NDArray[np.float64]
    """(k,): partial correlation of being rated, given all other films."""


def _staged(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The order of candidates (k,), given the likeliest by choice first, by their values; see
    STAGES.
    """
    ranked = np.argsort(-values, kind="stable")
    order = np.empty(0, np.int64)
    for length, width in STAGES:
        left = ranked[(ranked < width) & ~np.isin(ranked, order)]
        order = np.concatenate([order, left[: length - len(order)]])
    return order


def live_choice_of(model_set: ModelSet) -> LiveChoice | None:
    """The choice model of a set, ready to follow the stream; None when the set has none."""
    model = model_set.models.find(ChoiceModel)
    return None if model is None else LiveChoice(model, model_set.catalog)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFilms:
    """What answers from a set as its films are now."""

    model_set: ModelSet
    choice: LiveChoice
    items: OnlineItems

    def recommend(
        self, state: UserState, history: EventColumns, query: RecommendationQuery, at: int
    ) -> Recommendations:
        """Recommendations at the time `at` for the user of `history`, oldest first, and of `state`,
        which was updated with it.

        Raises InputError when the query is wrong.
        """
        query.check()
        scores = self.choice.score(history, at)
        candidates = self._candidates(scores, state, query, at)
        posterior, noise = self._posterior(state, self.choice.item_ids[candidates], at)
        value = self._values(scores.choice[candidates], posterior, noise, candidates, query)
        order = _staged(value)
        if query.variety:
            order = order[self._varied(candidates[order], value[order], query)]
        order = order[: query.n]
        rows = candidates[order]
        item_ids = self.choice.item_ids[rows]
        return Recommendations(
            item_ids=item_ids,
            scores=value[order],
            choice=np.maximum(scores.choice[rows], 0).astype(np.float64),
            parts=scores.parts_of(rows),
            predictions=self.model_set.predictions(posterior[order], item_ids),
            reasons=self._reasons(rows, scores.seen),
        )

    def recommend_to_group(
        self, members: Sequence[Member], query: RecommendationQuery, at: int, rule: GroupRule
    ) -> GroupRecommendations:
        """Films that nobody of a group has rated, by the mean of what each makes of them, or by who
        likes them least (Masthoff, *Group Modeling*, User Modeling and User-Adapted Interaction
        2004).

        The likeliest films of each member are ranked. Raises InputError when the query is wrong.
        """
        query.check()
        rated = [int(item) for member in members for item in member.history.item_id]
        query = replace(query, exclude=[*query.exclude, *rated], include_rated=False)
        scores = [self.choice.score(member.history, at) for member in members]
        found = [
            # As many whatever is wanted: else a longer list would not begin with the shorter one.
            self._candidates(each, member.state, replace(query, n=GROUP_PLACES), at)
            for each, member in zip(scores, members, strict=True)
        ]
        candidates = np.unique(np.concatenate(found))
        item_ids = self.choice.item_ids[candidates]
        posteriors = [self._posterior(member.state, item_ids, at) for member in members]
        values = np.array(
            [
                self._values(each.choice[candidates], *posterior, candidates, query)
                for each, posterior in zip(scores, posteriors, strict=True)
            ]
        )
        value = values.mean(0) if rule == "mean" else values.min(0)
        order = np.argsort(-value, kind="stable")
        if query.variety:
            order = order[self._varied(candidates[order], value[order], query)]
        order = order[: query.n]
        return GroupRecommendations(
            item_ids=item_ids[order],
            scores=value[order],
            predictions=[
                self.model_set.predictions(posterior[order], item_ids[order])
                for posterior, _ in posteriors
            ],
        )

    def similar(self, item_id: int, n: int = 10) -> SimilarItems:
        """The films that are most like one. Raises UnknownItemError."""
        row = int(self.choice.rows(np.array([item_id]))[0])
        if row < 0:
            raise UnknownItemError(item_id)
        columns = self.choice.model.columns
        if row >= len(columns.variances):
            return SimilarItems(item_ids=np.empty(0, np.int64), scores=np.empty(0))
        span = slice(columns.starts[row], columns.starts[row + 1])
        targets = columns.targets[span]
        # b_ij = -P_ij / P_jj, the partial correlation is -P_ij / sqrt(P_ii P_jj).
        spread = np.sqrt(columns.variances[targets] / max(columns.variances[row], 1e-30))
        likeness = (columns.weights[span] * spread).astype(np.float64)
        order = np.argsort(-likeness, kind="stable")[:n]
        order = order[likeness[order] > 0]
        return SimilarItems(item_ids=self.choice.item_ids[targets[order]], scores=likeness[order])

    def questions(
        self, state: UserState, history: EventColumns, n: int, at: int
    ) -> NDArray[np.int64]:
        """Ids of at most n items to ask a newcomer about, the most telling first.

        What a rating would tell, `log(1 + variance / noise) / 2` by the rating model, counts as
        often as users have seen the film: nobody can rate what he or she has not.
        """
        rating = self.model_set.rating
        left = np.flatnonzero(~np.isin(rating.item_ids, history.item_id))
        likely = left[np.argsort(-rating.item_counts[left], kind="stable")[:ASKED_AMONG]]
        posterior, noise = self._posterior(state, rating.item_ids[likely], at)
        # The posterior's variance is that of a rating, noise included.
        told = np.log(np.maximum(posterior.variance / noise, 1.0)) / 2
        order = np.argsort(-told * rating.item_counts[likely], kind="stable")[:n]
        return rating.item_ids[likely[order]]

    def _candidates(
        self, scores: ChoiceScores, state: UserState, query: RecommendationQuery, at: int
    ) -> NDArray[np.int64]:
        """Rows of the films that are ranked, by what finds them."""
        found = scores.choice
        if query.strategy == "rating":
            belief = self.model_set.belief_at(state, at)
            found = mean_of_all(self.model_set.rating, self.items, self.choice.item_ids, belief)
        allowed = self.choice.allows(query.genres, query.first_year, query.last_year)
        left_out = np.zeros(len(found), bool) if allowed is None else ~allowed
        left_out[scores.seen] = not query.include_rated
        excluded = self.choice.rows(np.array(list(query.exclude), np.int64))
        left_out[excluded[excluded >= 0]] = True
        found = np.where(left_out, -np.inf, found)
        widest = next(width for length, width in STAGES if query.n <= length)
        k = min(widest, len(found) - int(left_out.sum()))
        if k <= 0:
            return np.empty(0, np.int64)
        best = np.sort(np.argpartition(-found, k - 1)[:k])
        return best[np.argsort(-found[best], kind="stable")]

    def _posterior(
        self, state: UserState, item_ids: NDArray[np.int64], at: int
    ) -> tuple[Posterior, float]:
        """What the rating model says of some films, and the variance of a rating's noise."""
        n = len(item_ids)
        belief = self.model_set.belief_at(state, at)
        queries = ItemQueries.without_updates(
            np.zeros(n, np.int64), self.items.rows(item_ids, own=False)
        )
        answers = self.model_set.query(queries, belief, self.items)
        posterior = self.model_set.posterior(
            answers, np.full(n, state.n_ratings), np.full(n, state.n_likes), self.items
        )
        return posterior, float(belief.noise.mean())

    def _values(
        self,
        choice: NDArray[np.float32],
        posterior: Posterior,
        noise: float,
        rows: NDArray[np.int64],
        query: RecommendationQuery,
    ) -> NDArray[np.float64]:
        """What the candidates (k,) are ranked by."""
        if query.strategy == "rating":
            return posterior.mean
        # Of the film's mean, without the noise of a single rating.
        sd = np.sqrt(np.maximum(posterior.variance - noise, 0.0))
        if query.strategy == "cautious":
            return posterior.mean - sd
        like = self.model_set.like.probability(posterior, self.choice.item_ids[rows])
        if query.strategy == "explore":
            rng = np.random.default_rng(query.seed)
            scale = self.model_set.scale
            threshold = scale.like_threshold - scale.step / 2
            drawn = posterior.mean + sd * rng.standard_normal(len(rows))
            # The like model is calibrated: the draw moves it as it moves the thresholded posterior.
            moved = ndtr((drawn - threshold) / np.sqrt(noise)) / np.maximum(
                posterior.above, MIN_LIKE
            )
            gumbel = rng.gumbel(scale=GUMBEL_SCALE, size=len(rows))
            like = np.clip(like * moved, MIN_LIKE, 1) * np.exp(gumbel)
        return choice * like

    def _varied(
        self, rows: NDArray[np.int64], values: NDArray[np.float64], query: RecommendationQuery
    ) -> NDArray[np.int64]:
        """The order of films, given the best first, in which each counts less for being like those
        above it.
        """
        likeness = self._likeness(rows)
        worth = values / max(values.max(initial=0.0), 1e-30)
        nearest, chosen = np.zeros(len(rows)), []
        left = np.ones(len(rows), bool)
        for _ in range(min(query.n, len(rows))):
            marginal = (1 - query.variety) * worth - query.variety * nearest
            best = int(np.where(left, marginal, -np.inf).argmax())
            chosen.append(best)
            left[best] = False
            nearest = np.maximum(nearest, likeness[best])
        return np.array(chosen, np.int64)

    def _likeness(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Partial correlation (k, k) of films, where it is positive, as a part of the largest."""
        columns = self.choice.model.columns
        fitted = rows < len(columns.variances)
        likeness = np.zeros((len(rows), len(rows)))
        likeness[fitted] = columns.between(rows[fitted], rows, len(self.choice))
        likeness = np.maximum(np.maximum(likeness, likeness.T), 0)
        return np.asarray(likeness / max(likeness.max(initial=0.0), 1e-30))

    def _reasons(self, rows: NDArray[np.int64], seen: NDArray[np.int64]) -> list[list[Reason]]:
        """The model is linear: what a film gets from each of the user's."""
        columns = self.choice.model.columns
        own = seen[seen < len(columns.variances)]
        weights = np.maximum(columns.between(own, rows, len(self.choice)), 0)
        shares = weights / np.maximum(weights.sum(0), 1e-30)
        n = min(MAX_REASONS, len(own))
        best = np.argsort(-shares, axis=0, kind="stable")[:n]
        item_ids = self.choice.item_ids[own[best]].T.tolist()
        parts = np.take_along_axis(shares, best, axis=0).T.tolist()
        return [
            [Reason(*reason) for reason in zip(*of_film, strict=True) if reason[1] > 0]
            for of_film in zip(item_ids, parts, strict=True)
        ]
