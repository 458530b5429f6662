"""A fitted model set for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reelstream.catalog import Catalog
from reelstream.models.base import ModelSet
from reelstream.models.rating import RatingModel
from reelstream.storage.history import History


@dataclass(frozen=True)
class Fitted:
    """A fitted set, and what it was fitted on."""

    model_set: ModelSet
    history: History
    catalog: Catalog

    def with_rating(self, rating: RatingModel) -> ModelSet:
        """The same set with another rating model."""
        return replace(self.model_set, rating=rating)
