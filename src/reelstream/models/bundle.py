"""The fitted models of one set, by family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

from reelstream.errors import MissingFamilyError
from reelstream.models.like.model import LikeModel
from reelstream.models.rating.model import RatingModel
from reelstream.models.segment.model import SegmentModel

M = TypeVar("M")


class FamilyModel(Protocol):
    """A fitted model of any family."""

    def save(self, folder: Path) -> None:
        """Write the model into a folder that exists: arrays and JSON, never pickle."""


class ModelBundle(Mapping[str, FamilyModel]):
    """Name of a family -> its model. Sets trained before a family was added lack it.

    >>> len(ModelBundle())
    0
    """

    def __init__(self, **models: Any) -> None:
        self._models: dict[str, FamilyModel] = models

    def __getitem__(self, name: str) -> FamilyModel:
        return self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models)

    def __len__(self) -> int:
        return len(self._models)

    def of_type(self, kind: type[M]) -> M:
        """The model of this type. Raises MissingFamilyError when the set has none."""
        model = self.find(kind)
        if model is None:
            raise MissingFamilyError(
                f"this model set has no {kind.__name__}: it was trained before that family was"
                " added; the next set that is trained has one"
            )
        return model

    def find(self, kind: type[M]) -> M | None:
        """The model of this type; None when the set has none."""
        return next((model for model in self._models.values() if isinstance(model, kind)), None)

    # The three families of every set have names here, so that callers get their types.

    @property
    def rating(self) -> RatingModel:
        """Predicts the rating that a user would give an item."""
        return self.of_type(RatingModel)

    @property
    def like(self) -> LikeModel:
        """Predicts the probability of a rating at or above the threshold."""
        return self.of_type(LikeModel)

    @property
    def segment(self) -> SegmentModel:
        """Predicts the segment that a user belongs to."""
        return self.of_type(SegmentModel)

    def replaced(self, **models: FamilyModel) -> ModelBundle:
        """The same models with these added, or in the place of those with their names."""
        return ModelBundle(**{**self._models, **models})

    def without(self, name: str) -> ModelBundle:
        """The same models without that of one family."""
        return ModelBundle(**{each: model for each, model in self.items() if each != name})
