"""Finds, downloads or simulates the data set that the settings name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from reelstream.cli.notices import print_notice
from reelstream.datasets import ColumnNames, Dataset, detect, fetch_movielens, simulate
from reelstream.errors import DatasetError, SettingError
from reelstream.ratings.ids import Ids
from reelstream.settings import DataSettings, Settings
from reelstream.storage.work_folder import WorkFolder


class SimulatedSize(NamedTuple):
    """How much is simulated; by default as much as MovieLens's small data set has."""

    users: int = 671
    items: int = 9_000
    ratings: int = 100_000
    seed: int = 0


# What is simulated in place of a data set that cannot be downloaded.
STAND_IN = SimulatedSize()


def open_dataset(settings: Settings) -> Dataset:
    """The data set that is named, or to which the work folder is bound, or MovieLens's small one.

    The last is downloaded once; where that fails, ratings are simulated into the work folder, with
    a notice. Raises DatasetError when a folder holds no known data set.
    """
    return with_id_kinds(_found_dataset(settings), settings.data)


def with_id_kinds(dataset: Dataset, settings: DataSettings) -> Dataset:
    """The data set with ids of the kinds that the settings name; the others as they were found."""
    found = dataset.ids.kinds
    kinds = (settings.user_ids or found[0], settings.item_ids or found[1])
    return dataset if kinds == found else dataset.with_ids(Ids.of_kinds(*kinds))


def _found_dataset(settings: Settings) -> Dataset:
    folder = WorkFolder(settings.work)
    if settings.data.folder is not None:
        return detect(settings.data.folder, named_columns(settings.data))
    bound = folder.binding().data_set if folder.is_bound else None
    if bound is not None:
        # Not another data set in its place: the log holds ratings of this one.
        if not Path(bound.ratings_file).exists():
            raise SettingError(
                f"the ratings of {folder.root} are no longer at {bound.ratings_file}: name --data"
            )
        columns = settings.data.columns or bound.columns
        return detect(Path(bound.ratings_file), columns_of(columns))
    # Once simulated, always simulated: a later download must not mix with the same log.
    if not folder.simulated.is_dir():
        try:
            return detect(fetch_movielens(settings.data.cache or cache_folder()))
        except DatasetError as error:
            print_notice(str(error))
            print_notice(
                f"these ratings are simulated, not real: {STAND_IN.ratings:,} of them, in "
                f"{folder.simulated}"
            )
            folder.check_writable()
            simulate(folder.simulated, **STAND_IN._asdict())
    return detect(folder.simulated)


def named_columns(settings: DataSettings) -> ColumnNames:
    """The columns that a person named. Raises DatasetError when the setting cannot be read."""
    return columns_of(settings.columns)


def columns_of(text: str | None) -> ColumnNames:
    """The same from the setting's text. Raises DatasetError."""
    return ColumnNames.parse(text) if text else ColumnNames()


def cache_folder() -> Path:
    """Where downloads are kept on this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reelstream"
