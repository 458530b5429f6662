"""Builds what the commands work on from the settings; the only place that does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from reelstream.errors import (
    BrokerError,
    DatasetError,
    MissingExtraError,
    SettingError,
    how_to_install,
)

if TYPE_CHECKING:  # each of these brings numpy or more: a command imports what it needs
    from reelstream.broker.interface import Broker
    from reelstream.datasets import Dataset
    from reelstream.engines.interface import Engine
    from reelstream.ratings.scale import RatingScale
    from reelstream.settings import DataSettings, Settings
    from reelstream.storage.batch_files import BatchFolder
    from reelstream.storage.work_folder import Binding, WorkFolder


class SimulatedSize(NamedTuple):
    """How much is simulated; by default what stands in for MovieLens's small data set."""

    users: int = 671
    items: int = 9_000
    ratings: int = 100_000
    seed: int = 0


def open_settings(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """The settings; `flags` by dotted name, None for those not given. Raises SettingError."""
    from reelstream.settings import load  # noqa: PLC0415

    return load(config, {**flags, "kafka": _kafka_flags(flags.get("kafka") or ())})


def open_work_folder(settings: Settings) -> tuple[WorkFolder, Binding]:
    """The work folder, which belongs to a stream already, and that stream.

    Raises SettingError when it belongs to none, or to another than the settings name.
    """
    from reelstream.storage.work_folder import WorkFolder  # noqa: PLC0415

    folder = WorkFolder(settings.work)
    scale = folder.binding().scale
    overridden = _overridden(scale, settings.data)
    return folder, folder.bind(
        broker=settings.broker.url, topic=settings.broker.topic, scale=overridden
    )


def bind_work_folder(settings: Settings, dataset: Dataset | None) -> tuple[WorkFolder, Binding]:
    """The work folder, which from now on belongs to this data set and log, and that stream.

    The films of the data set are written into it. Raises SettingError when it belongs to another
    stream already, StorageError when it cannot be written, and BrokerError when its log is new and
    cannot be opened.
    """
    from reelstream.broker import open_broker  # noqa: PLC0415
    from reelstream.ratings.scale import RatingScale  # noqa: PLC0415
    from reelstream.storage.work_folder import BoundDataSet, WorkFolder  # noqa: PLC0415

    folder = WorkFolder(settings.work)
    if settings.broker.url is not None and not folder.is_bound:
        with open_broker(settings.broker.url, settings.kafka):
            pass  # a URL where nobody answers is not written down
    known = folder.binding() if folder.is_bound else None
    data_set = None
    if dataset is not None:
        data_set = BoundDataSet(
            dataset.name, dataset.fingerprint, str(dataset.ratings_file.absolute())
        )
    if known is not None and (dataset is None or known.data_set is not None):
        scale = _overridden(known.scale, settings.data)
    else:
        scale = rating_scale(RatingScale() if dataset is None else dataset.scale, settings.data)
    bound = folder.bind(
        broker=settings.broker.url, topic=settings.broker.topic, scale=scale, data_set=data_set
    )
    if dataset is not None and not folder.films.exists():
        films = dataset.read_catalog()
        films.catalog.write(folder.films)
        if films.skipped:
            say(
                f"{films.skipped} rows of the films of {dataset.name} cannot be read and are"
                " left out"
            )
    return folder, bound


def open_dataset(settings: Settings) -> Dataset:
    """The data set that is named, or that the work folder belongs to, or MovieLens's small one.

    The last is downloaded once; where that fails, ratings are simulated into the work folder, and
    that is said. Raises DatasetError when a folder holds no data set that is known.
    """
    from reelstream.datasets import detect, fetch_movielens, simulate  # noqa: PLC0415
    from reelstream.storage.work_folder import WorkFolder  # noqa: PLC0415

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
            say(f"{error}")
            say(
                f"these ratings are simulated, not real: {SimulatedSize().ratings:,} of them, in"
                f" {folder.simulated}"
            )
            folder.check_writable()
            simulate(folder.simulated, **SimulatedSize()._asdict())
    return detect(folder.simulated)


def open_engine(settings: Settings) -> Engine:
    """The engine that fits. Raises MissingExtraError when its packages are not installed."""
    if settings.train.engine == "local":
        from reelstream.engines.local import LocalEngine  # noqa: PLC0415

        return LocalEngine()
    try:
        from reelstream.engines.spark.engine import SparkEngine  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the Spark engine needs {error.name}: {how_to_install('spark')}"
        ) from error
    return SparkEngine(settings.spark.master, settings.spark.conf)


def spark_conf(given: Sequence[str] | None) -> dict[str, str] | None:
    """Spark's settings from `KEY=VALUE` on the command line; None when there are none. Raises
    SettingError.
    """
    pairs = [setting.partition("=") for setting in given or ()]
    for key, equals, value in pairs:
        if not key.startswith("spark.") or not equals:
            raise SettingError(
                f"--conf {key}{equals}{value} is not a setting of Spark: write spark.name=value"
            )
    return {key: value for key, _, value in pairs} or None


def open_log(binding: Binding, kafka: Mapping[str, str]) -> Broker:
    """The log of a stream, to be used in `with`. Raises BrokerError, and MissingExtraError without
    Kafka's client.
    """
    from reelstream.broker import open_broker  # noqa: PLC0415

    return open_broker(binding.broker, kafka)


def check_topic(log: Broker, topic: str, batches: BatchFolder) -> None:
    """Raises BrokerError when the batches were made from another topic: nothing of theirs would
    read what is sent.
    """
    newest = batches.newest()
    if newest is not None and newest.topic_id != log.topic_id(topic):
        raise BrokerError(
            f"the topic {topic!r} is not the one that the batches in {batches.path} were made from,"
            " it was deleted and made anew: nothing was sent"
        )


def rating_scale(scale: RatingScale, settings: DataSettings) -> RatingScale:
    """The data set's scale with what the settings say otherwise. Raises SettingError when it makes
    no sense.
    """
    names = ("lowest", "highest", "step", "like_threshold")
    said = {name: value for name in names if (value := getattr(settings, name)) is not None}
    wanted = replace(scale, **said)
    if wanted.step <= 0:
        raise SettingError(
            f"data.step {wanted.step:g} is not above 0: set data.step, or correct the scale in"
            " work.json"
        )
    if not wanted.lowest < wanted.like_threshold <= wanted.highest:
        raise SettingError(
            f"data.like_threshold {wanted.like_threshold:g} is not above the lowest rating"
            f" {wanted.lowest:g} and up to the highest {wanted.highest:g}: set data.like_threshold"
        )
    return wanted


def cache_folder() -> Path:
    """Where downloads are kept on this machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reelstream"


def say(sentence: str) -> None:
    """A sentence for a person, beside the answer."""
    print(f"reelstream: {sentence}", file=sys.stderr, flush=True)


def _kafka_flags(given: Sequence[str]) -> dict[str, str] | None:
    """`sasl_mechanism` -> value for each `sasl.mechanism=value`: spelt as in the environment, so
    that it comes first.
    """
    flags = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise SettingError(
                f"--kafka {text!r}: write NAME=VALUE, for example --kafka sasl.mechanism=PLAIN"
            )
        flags[name.lower().replace(".", "_")] = value
    return flags or None


def _overridden(bound: RatingScale, settings: DataSettings) -> RatingScale | None:
    """The scale that the settings ask for, if they ask for another than the bound one."""
    wanted = rating_scale(bound, settings)
    return None if wanted == bound else wanted
