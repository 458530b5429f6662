"""What the resources answer from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reelstream.catalog import Catalog
from reelstream.ratings.scale import RatingScale
from reelstream.serving.live_updates import LiveUpdates
from reelstream.serving.predictor import Predictor
from reelstream.storage.model_registry import ModelRegistry


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a server, put together by whoever starts it."""

    predictor: Predictor
    live_updates: LiveUpdates
    registry: ModelRegistry
    catalog: Catalog
    scale: RatingScale

    def title(self, item_id: int) -> str | None:
        """A film's title; None for one outside the catalogue."""
        film = self.catalog.get(item_id)
        return film.title or None if film is not None else None

    def popularity(self) -> Mapping[int, int]:
        """Film -> number of ratings, as far as the set in service knows it."""
        serving = self.predictor.in_service
        return {} if serving is None else serving.popularity
