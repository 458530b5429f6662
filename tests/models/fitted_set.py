"""A fitted model set for the tests of this room."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reelstream.catalog import Catalog
from reelstream.models.bundle import ModelBundle
from reelstream.models.model_set import ModelSet
from reelstream.models.rating.model import RatingModel
from reelstream.ratings.histories import Histories


@dataclass(frozen=True)
class Fitted:
    """A fitted set, and what it was fitted on."""

    model_set: ModelSet
    history: Histories
    catalog: Catalog

    def with_rating(self, rating: RatingModel) -> ModelSet:
        """The same set with another rating model."""
        models = ModelBundle(**{**self.model_set.models, "rating": rating})
        return replace(self.model_set, models=models)
