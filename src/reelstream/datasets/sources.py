"""Ratings and films from wherever a program has them: a table in memory, or a data set on disk."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from reelstream.catalog import Catalog
from reelstream.datasets.dataset import Dataset
from reelstream.datasets.detection import detect
from reelstream.datasets.tables import (
    Table,
    check_on_scale,
    check_scale,
    films_in,
    has_times,
    ids_of,
    ratings_in,
    scale_of,
)
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import Ids
from reelstream.ratings.scale import RatingScale

# A polars or pandas DataFrame, a dict of arrays, or the path of a data set: its folder or its
# ratings file.
RatingSource: TypeAlias = Table | Path | str
# A `Catalog`, a DataFrame or dict, or the path of a data set.
FilmSource: TypeAlias = Catalog | Table | Path | str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRatings:
    """The ratings of a source, all of them on the scale."""

    events: EventColumns
    """In the order of the source."""
    has_times: bool
    """False: all times are the same."""
    scale: RatingScale
    ids: Ids
    """Of their users and items."""
    dataset: Dataset | None
    """Where they lie, unless they are in memory."""


def read_ratings(
    source: RatingSource, scale: RatingScale | None, ids: Ids | None = None
) -> SourceRatings:
    """Read ratings; without a scale, on the data set's own or one that holds them all; without
    ids, with ids of the kinds that are found.

    Raises StorageError, or InputError when there are none, or they cannot be read.
    """
    if scale is not None:
        check_scale(scale)
    dataset = None
    if isinstance(source, (str, Path)):
        dataset = detect(Path(source))
        ids = ids or dataset.ids
        dataset = dataset.with_scale(scale or dataset.scale).with_ids(ids)
        events, scale, times = dataset.read_ratings(), dataset.scale, dataset.has_times
    else:
        ids = ids or ids_of(source)
        events, times = ratings_in(source, ids), has_times(source)
        scale = scale or scale_of(events.rating)
    check_on_scale(events, scale)
    return SourceRatings(events=events, has_times=times, scale=scale, ids=ids, dataset=dataset)


def read_films(source: FilmSource | None, ratings: SourceRatings) -> Catalog:
    """Read films, with ids as the ratings have them; without a source those of the ratings' data
    set, if there is one.

    Raises StorageError, or InputError when they cannot be read.
    """
    if isinstance(source, Catalog):
        return source
    dataset = ratings.dataset
    if isinstance(source, (str, Path)):
        dataset = detect(Path(source)).with_ids(ratings.ids)
    elif source is not None:
        return films_in(source, ratings.ids.item)
    if dataset is None:
        return Catalog([])
    read = dataset.read_catalog()
    if read.skipped:
        # The caller's caller: the line of the program that called the Recommender.
        warnings.warn(
            f"{read.skipped} rows of the films of {dataset.name} cannot be read and are left out",
            stacklevel=3,
        )
    return read.catalog
