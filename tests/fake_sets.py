"""Model sets whose answers can be worked out by hand, and a registry that holds them in memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from reelstream.catalog import Catalog, Film
from reelstream.errors import DamagedError, NoModelSetError, SettingError
from reelstream.evaluation.reports import GateReport, Scores
from reelstream.models.bundle import ModelBundle
from reelstream.models.explanation import Explanation, explain
from reelstream.models.model_set import KnownUsers, Predictions, TrainedOn
from reelstream.models.rating.user_state import UserBeliefs
from reelstream.models.replay import posterior_of_events
from reelstream.models.segment.description import GenreLift, Segment
from reelstream.models.taste import Leaning
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale
from reelstream.serving.predictor import Serving
from reelstream.serving.user_overview import Overview, Surprises, overview_of, surprises_of
from reelstream.storage.release import Release

CATALOG = Catalog(
    [
        Film(31, "Dangerous Minds", 1995, ("Drama",), tmdb_id=9909, imdb_id="0112792"),
        Film(1, "Toy Story", 1995, ("Animation", "Comedy")),
        Film(7, "Sabrina", 1995, ("Comedy", "Romance")),
    ]
)


@dataclass
class FakeState:
    learned: list[tuple[int, float]]
    last: int | None = None
    nbytes: int = 1_000


class FakeItems(list):
    """Ratings that items have learned."""

    def row_of(self, item_id: int) -> None:
        """Not needed by what is faked."""


@dataclass
class FakeModelSet:
    """Predicts the mean of the user's ratings, give or take `number` stars, sure to 1/`number` of a
    star.
    """

    number: int
    trained_end_offsets: dict[int, int] = field(default_factory=dict)
    scale: RatingScale = field(default_factory=RatingScale)
    catalog: Catalog = CATALOG
    folded: list[int] = field(default_factory=list)
    """Lengths of the histories that were folded in."""
    asked_at: list[int] = field(default_factory=list)
    prepared: bool = False
    learns_badly: bool = False

    def __post_init__(self) -> None:
        self.trained_on = TrainedOn(self.trained_end_offsets, {})
        self.models = ModelBundle()
        self.segment = SimpleNamespace(segments=(segment(4), segment(2)))
        self.rating = SimpleNamespace(item_ids=np.array([1, 31]), item_counts=np.array([5, 2]))

    def prepare(self) -> None:
        self.prepared = True

    def knows(self, item_id: int) -> bool:
        return self.catalog.get(item_id) is not None or item_id == 100

    def fold_in(self, history: EventColumns) -> FakeState:
        self.folded.append(len(history))
        return FakeState(list(zip(history.item_id.tolist(), history.rating.tolist(), strict=True)))

    def update(
        self, state: FakeState, newer: EventColumns, wanted: np.ndarray | None = None
    ) -> KnownUsers:
        if self.learns_badly:
            state.learned.clear()
            raise RuntimeError("learning failed half-way")
        means = []
        for rating in zip(newer.item_id.tolist(), newer.rating.tolist(), strict=True):
            means.append(self._mean(state))
            state.learned.append(rating)
        known = np.array(means)[np.zeros(len(means), bool) if wanted is None else wanted]
        beliefs = UserBeliefs._make([known] * len(UserBeliefs._fields))
        return KnownUsers(beliefs, known, known)

    def online_items(self) -> FakeItems:
        return FakeItems()

    def belief_at(self, state: FakeState, at: int) -> None:
        self.asked_at.append(at)

    def posterior_of(
        self, state: FakeState, belief: None, item_ids: np.ndarray, items: FakeItems
    ) -> np.ndarray:
        return np.full(len(item_ids), self._mean(state))

    def learn(
        self,
        item_ids: np.ndarray,
        ratings: np.ndarray,
        known: KnownUsers,
        is_update: np.ndarray,
        items: FakeItems,
    ) -> np.ndarray:
        items += zip(item_ids.tolist(), ratings.tolist(), strict=True)
        return known.beliefs.mean

    def predictions(self, means: np.ndarray, item_ids: np.ndarray) -> Predictions:
        n = len(item_ids)
        return Predictions(
            means,
            np.full(n, 1 / self.number),
            np.full(n, self.number / 100),
            np.full((n, 10), 0.1),
        )

    def _mean(self, state: FakeState) -> float:
        return float(np.mean([rating for _, rating in state.learned])) if state.learned else 3.0

    def map_users(
        self, histories: Sequence[EventColumns]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        lengths = np.array([float(len(history)) for history in histories])
        return np.full(len(histories), 4), np.column_stack([lengths, -lengths])

    def segment_of(self, history: EventColumns) -> Segment:
        return segment(self.number)


def segment(number: int) -> Segment:
    """A segment that loves drama."""
    drama = GenreLift("Drama", 0.5, 1.25)
    return Segment(
        number=number,
        label="generous drama lovers",
        size=10,
        ratings=40,
        mean=3.9,
        spread=0.8,
        genres=(drama,),
        item_ids=(31, 100),
    )


def release(
    number: int, trained_end_offsets: dict[int, int] | None = None, verdict: str = "accepted"
) -> Release:
    return Release(
        number=number,
        created_at=int(time.time()),
        manifests=[(batch, 1) for batch in range(1, number + 1)],
        excluded=[],
        trained_end_offsets=trained_end_offsets or {},
        excluded_offsets={},
        scale=RatingScale(),
        champion=None,
        gate=GateReport(verdict, "no champion yet"),
        holdout=Scores(n=10, rmse=0.8, auc=None),
        record=[],
        engine="fake",
        seed=0,
        parameters={},
        versions={},
    )


class FakeRegistry:
    """What the server asks of a registry. Numbers in `damaged` cannot be loaded."""

    def __init__(self, *numbers: int) -> None:
        self.sets = {number: FakeModelSet(number) for number in numbers}
        self.current_number = max(numbers, default=None)
        self.damaged: set[int] = set()
        self._pinned: int | None = None
        self._releases = {number: release(number) for number in numbers}

    def add(self, number: int, current: bool = True, verdict: str = "accepted") -> FakeModelSet:
        self.sets[number], self._releases[number] = (
            FakeModelSet(number),
            release(number, verdict=verdict),
        )
        if current:
            self.current_number = number
        return self.sets[number]

    def publish(self, release: Release) -> None:
        """In the place of the release with its number."""
        self._releases[release.number] = release

    def releases(self) -> list[Release]:
        return [self._releases[number] for number in sorted(self._releases)]

    def all_releases(self) -> list[Release]:
        return [self._releases[number] for number in sorted(self._releases)]

    def newest_number(self) -> int:
        return max(self._releases, default=0)

    def current(self) -> Release | None:
        return None if self.current_number is None else self._releases[self.current_number]

    def unpruned_release(self, number: int) -> Release:
        if number not in self._releases:
            raise SettingError(f"there is no model set {number}")
        return self._releases[number]

    def activate(self, number: int | None) -> None:
        self.current_number = self._pinned = number and self.unpruned_release(number).number
        if number is None:
            self.current_number = max(self._releases, default=None)

    def pinned(self) -> int | None:
        return self._pinned

    def load(self, number: int, catalog: Catalog) -> FakeModelSet:
        if number in self.damaged:
            raise DamagedError(f"model set {number} is damaged: a file is missing")
        return self.sets[number]

    def load_current(self, catalog: Catalog) -> tuple[Release, FakeModelSet]:
        for candidate in reversed(self.releases()):
            if (
                candidate.number <= (self.current_number or 0)
                and candidate.number not in self.damaged
            ):
                return candidate, self.sets[candidate.number]
        raise NoModelSetError("no set")


def teach_real_films_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake set has no filter: its films catch up with nothing, and its answers are means."""

    def ask(model_set: object, *arguments: object, **named: object) -> object:
        return (
            None
            if isinstance(model_set, FakeModelSet)
            else posterior_of_events(model_set, *arguments, **named)
        )

    def fake_explain(
        model_set: object, state: FakeState, history: EventColumns, item: object, at: int
    ) -> Explanation:
        if not isinstance(model_set, FakeModelSet):
            return explain(model_set, state, history, item, at)
        n = len(history)
        own = np.full(n, (history.rating.mean() - 3.0) / n) if n else np.zeros(0)
        return Explanation(everyone=3.0, features=0.0, quality=0.0, ratings=own, without=-own)

    def fake_overview(serving: Serving, user_id: int) -> Overview:
        if not isinstance(serving.model_set, FakeModelSet):
            return overview_of(serving, user_id)
        kind, _ = serving.segment(user_id)
        taste = {"Drama": Leaning(0.5, 0.1), "Comedy": Leaning(-0.2, 0.3)}
        return Overview(segment=kind, generosity=Leaning(0.25, 0.2), taste=taste)

    def fake_surprises(serving: Serving, user_id: int, limit: int) -> Surprises:
        if not isinstance(serving.model_set, FakeModelSet):
            return surprises_of(serving, user_id, limit)
        newest = serving.histories.of_user(user_id)[::-1][:limit]
        ones = np.ones(len(newest))
        return Surprises(ratings=newest, expected=newest.rating - ones, sd=ones, surprises=ones)

    monkeypatch.setattr("reelstream.api.users.overview_of", fake_overview)
    monkeypatch.setattr("reelstream.api.surprises.surprises_of", fake_surprises)
    monkeypatch.setattr("reelstream.serving.predictor.explain", fake_explain)
    monkeypatch.setattr("reelstream.serving.live_items.posterior_of_events", ask)
