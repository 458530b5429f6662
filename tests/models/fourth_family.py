"""Registers the family of the guide beside the three that there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from popularity import PopularityModel, fit_popularity

from reelstream.models import registry
from reelstream.models.family import Family

POPULARITY = Family(
    name="popularity",
    public_name="popularity",
    load=PopularityModel.load,
    fit=fit_popularity,
)


@contextmanager
def fourth_family() -> Iterator[None]:
    """While it lasts, sets have four families."""
    registry.FAMILIES.append(POPULARITY)
    try:
        yield
    finally:
        registry.FAMILIES.remove(POPULARITY)
