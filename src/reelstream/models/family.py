"""What a model family is: how its model is fitted, named and loaded.

A model set is a bundle of models, one of each family in `models/registry.py`. "Add a model family"
in `docs/development.md` lists the steps for another one; `tests/models/test_family_contract.py`
tests what all of them promise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from reelstream.catalog import Catalog
from reelstream.models.bundle import FamilyModel, ModelBundle
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale

M = TypeVar("M")


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyInput:
    """What a family is fitted from."""

    histories: Histories
    """All users' ratings, the holdout included. They may be mapped from disk and larger than the
    memory: read them in chunks where a copy would be large.
    """
    catalog: Catalog
    scale: RatingScale
    models: ModelBundle
    """The models of the families registered before it, fitted to the same ratings."""
    previous: ModelBundle | None
    """The models of the set in service; None for the first set. See `previous_of`."""
    seed: int
    has_gate: bool
    """Whether half of the holdout is the gate's, and must not be learned from."""

    def previous_of(self, kind: type[M]) -> M | None:
        """The model of this type in service, to warm-start from; None when there is none.

        A set that was trained before a family was added lacks its model, and engines may leave out
        the rating model, which is large.
        """
        return None if self.previous is None else self.previous.find(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of model."""

    name: str
    """In code: the name of its package or module in `models/`."""
    public_name: str
    """In folders, `models/<public_name>_model_set_<n>`, and routes: lower case letters, digits and
    `_`. It must never change: published releases name it.
    """
    load: Callable[[Path], FamilyModel]
    """Reads what the model's `save` wrote. Raises DamagedError, OSError."""
    fit: Callable[[FamilyInput], Any] | None
    """Fits the model on one machine, the same bytes from the same input. Raises
    NothingToLearnError. None for the rating family alone: engines fit it, on all cores and
    machines.
    """
    since_first_set: bool = False
    """Whether every set has it, so that a release without it is damaged. False for a family that
    was added later: older sets are served without it.
    """
