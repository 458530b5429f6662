"""What a model family is: how its model is fitted, named and loaded.

A model set is a bundle of models, one of each family in `models/registry.py`. A new family is a
package of its own here and a line there; `docs/development.md` leads through it, and
`tests/models/test_family_contract.py` holds every family against the same promises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelstream.catalog import Catalog
from reelstream.models.bundle import FamilyModel, ModelBundle
from reelstream.ratings.histories import Histories
from reelstream.ratings.scale import RatingScale


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyInput:
    """What a family is fitted from."""

    histories: Histories
    """All users' ratings, the holdout among them; mapped from disk where they are many."""
    catalog: Catalog
    scale: RatingScale
    models: ModelBundle
    """The models of the families before it, fitted to the same ratings."""
    previous: ModelBundle | None
    """The models in service, to warm-start from. The rating model may be left out, and so may any
    family that the set in service was made without: use `previous.get(name)`.
    """
    seed: int
    has_gate: bool
    """Whether half of the holdout is the gate's, and must not be learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of model."""

    name: str
    """In code: the name of its package."""
    public_name: str
    """In folders and routes: `models/<public_name>_model_set_<n>`."""
    load: Callable[[Path], FamilyModel]
    """Reads what the model's `save` wrote; raises DamagedError or OSError."""
    fit: Callable[[FamilyInput], Any] | None
    """Fits the model, on one machine and deterministically. None for the rating family alone: its
    fit is what engines spread over cores and machines.
    """
    since_first_set: bool = False
    """Whether every set has it; a set made before another family existed answers without it."""
