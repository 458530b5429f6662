"""Builds broker, data set and folders from the settings; what fits is in `training_factories`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from reelstream.broker import open_broker
from reelstream.broker.interface import Broker
from reelstream.cli.notices import print_notice
from reelstream.datasets import Dataset, detect, fetch_movielens, simulate
from reelstream.errors import BrokerError, DatasetError, SettingError
from reelstream.ratings.scale import RatingScale
from reelstream.settings import DataSettings, Settings
from reelstream.storage.batch_files import BatchFolder
from reelstream.storage.work_folder import Binding, BoundDataSet, WorkFolder


class SimulatedSize(NamedTuple):
    """How much is simulated; by default as much as MovieLens's small data set has."""

    users: int = 671
    items: int = 9_000
    ratings: int = 100_000
    seed: int = 0


STAND_IN = SimulatedSize()
"""What is simulated in place of a data set that cannot be downloaded."""


def open_work_folder(settings: Settings) -> tuple[WorkFolder, Binding]:
    """The work folder and the stream to which it is bound already.

    Raises SettingError when it is bound to none, or to another than the settings name.
    """
    folder = WorkFolder(settings.work)
    scale = _overridden(folder.binding().scale, settings.data)
    broker = settings.broker
    return folder, folder.bind(broker=broker.url, topic=broker.topic, scale=scale)


def bind_work_folder(settings: Settings, dataset: Dataset | None) -> tuple[WorkFolder, Binding]:
    """The work folder, bound to this data set and log from now on, and that stream.

    The films of the data set are written into it.

    Raises:
        SettingError: The folder is bound to another stream.
        StorageError: It cannot be written.
        BrokerError: Its log is new and cannot be opened.
    """
    folder, broker = WorkFolder(settings.work), settings.broker
    if broker.url is not None and not folder.is_bound:
        with open_broker(broker.url, settings.kafka):
            pass  # a URL where nobody answers is not written down
    scale = _scale_to_bind(folder, settings.data, dataset)
    data_set = None
    if dataset is not None:
        ratings_file = str(dataset.ratings_file.absolute())
        data_set = BoundDataSet(dataset.name, dataset.fingerprint, ratings_file)
    binding = folder.bind(broker=broker.url, topic=broker.topic, scale=scale, data_set=data_set)
    if dataset is not None and not folder.films.exists():
        films = dataset.read_catalog()
        films.catalog.write(folder.films)
        if films.skipped:
            print_notice(
                f"{films.skipped} rows of the films of {dataset.name} cannot be read and are "
                "left out"
            )
    return folder, binding


def open_dataset(settings: Settings) -> Dataset:
    """The data set that is named, or to which the work folder is bound, or MovieLens's small one.

    The last is downloaded once; where that fails, ratings are simulated into the work folder, with
    a notice. Raises DatasetError when a folder holds no known data set.
    """
    folder = WorkFolder(settings.work)
    if settings.data.folder is not None:
        return detect(settings.data.folder)
    bound = folder.binding().data_set if folder.is_bound else None
    if bound is not None:
        if not Path(bound.ratings_file).is_file():
            raise SettingError(
                f"the ratings of {folder.root} are no longer at {bound.ratings_file}: name --data"
            )
        return detect(Path(bound.ratings_file))
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


def open_log(binding: Binding, kafka: Mapping[str, str]) -> Broker:
    """The log of a stream, to be used in `with`.

    Raises BrokerError, and MissingExtraError without Kafka's client.
    """
    return open_broker(binding.broker, kafka)


def check_topic(log: Broker, topic: str, batches: BatchFolder) -> None:
    """Raises BrokerError when the batches were made from another topic of this name.

    Nothing of theirs would read what is sent to this one.
    """
    newest = batches.newest()
    if newest is not None and newest.topic_id != log.topic_id(topic):
        raise BrokerError(
            f"the topic {topic!r} is not the one that the batches in {batches.path} were made "
            "from, it was deleted and made anew: nothing was sent"
        )


def rating_scale(scale: RatingScale, settings: DataSettings) -> RatingScale:
    """The data set's scale, changed as the settings say. Raises SettingError for an invalid one."""
    names = ("lowest", "highest", "step", "like_threshold")
    changed = {name: each for name in names if (each := getattr(settings, name)) is not None}
    wanted = replace(scale, **changed)
    if wanted.step <= 0:
        raise SettingError(
            f"data.step {wanted.step:g} is not above 0: set data.step, or correct the scale in "
            "work.json"
        )
    if not wanted.lowest < wanted.like_threshold <= wanted.highest:
        raise SettingError(
            f"data.like_threshold {wanted.like_threshold:g} is not above the lowest rating "
            f"{wanted.lowest:g} and up to the highest {wanted.highest:g}: set data.like_threshold"
        )
    return wanted


def cache_folder() -> Path:
    """Where downloads are kept on this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reelstream"


def _scale_to_bind(
    folder: WorkFolder, settings: DataSettings, dataset: Dataset | None
) -> RatingScale | None:
    """The scale for a new binding or a first data set; None: the bound one stays."""
    bound = folder.binding() if folder.is_bound else None
    if bound is not None and (dataset is None or bound.data_set is not None):
        return _overridden(bound.scale, settings)
    return rating_scale(RatingScale() if dataset is None else dataset.scale, settings)


def _overridden(bound: RatingScale, settings: DataSettings) -> RatingScale | None:
    """The scale that the settings demand, if it is another than the bound one."""
    wanted = rating_scale(bound, settings)
    return None if wanted == bound else wanted
