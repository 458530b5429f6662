"""The model families: fits, saves and loads one model of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reelstream.models.bundle import FamilyModel, ModelBundle
from reelstream.models.choice.fit import fit_choice_family
from reelstream.models.choice.model import ChoiceModel
from reelstream.models.family import Family, FamilyInput
from reelstream.models.like.fit import fit_like_family
from reelstream.models.like.model import LikeModel
from reelstream.models.rating.model import RatingModel
from reelstream.models.segment.fit import fit_segment_family
from reelstream.models.segment.model import SegmentModel

# In the order in which they are fitted: a fit may use the models of the families above it.
FAMILIES: list[Family] = [
    Family(
        name="rating",
        public_name="regression",
        load=RatingModel.load,
        fit=None,
        since_first_set=True,
    ),
    Family(
        name="like",
        public_name="classification",
        load=LikeModel.load,
        fit=fit_like_family,
        since_first_set=True,
    ),
    Family(
        name="segment",
        public_name="clustering",
        load=SegmentModel.load,
        fit=fit_segment_family,
        since_first_set=True,
    ),
    Family(
        name="choice",
        public_name="choice",
        load=ChoiceModel.load,
        fit=fit_choice_family,
    ),
]


def fit_families(data: FamilyInput) -> ModelBundle:
    """`data.models` with the models of all other families, fitted in their order.

    Raises NothingToLearnError.
    """
    for family in FAMILIES:
        if family.name not in data.models and family.fit is not None:
            # The next family sees this model among `data.models`.
            models = data.models.replaced(**{family.name: family.fit(data)})
            data = replace(data, models=models)
    return data.models


def writers_of(models: ModelBundle) -> dict[str, Callable[[Path], None]]:
    """Public name of each family in the bundle -> what writes its model into a folder."""
    return {family.public_name: models[family.name].save for family in _families_of(models)}


def save_bundle(models: ModelBundle, folder: Path) -> None:
    """Write each model into a new folder in `folder` with the family's public name."""
    for public_name, write in writers_of(models).items():
        (folder / public_name).mkdir()
        write(folder / public_name)


def load_bundle(folder_of: Callable[[Family], Path | None]) -> ModelBundle:
    """The models in the folders that `folder_of` returns; None for a family that the set lacks.

    Raises DamagedError, OSError.
    """
    models: dict[str, FamilyModel] = {}
    for family in FAMILIES:
        folder = folder_of(family)
        if folder is not None:
            models[family.name] = family.load(folder)
    return ModelBundle(**models)


def load_saved_bundle(folder: Path) -> ModelBundle:
    """Read what `save_bundle` wrote. Raises DamagedError, OSError."""

    # What was saved before a family was added has no folder of it.
    def folder_of(family: Family) -> Path | None:
        own = folder / family.public_name
        return own if own.is_dir() else None

    return load_bundle(folder_of)


def _families_of(models: ModelBundle) -> list[Family]:
    return [family for family in FAMILIES if family.name in models]
