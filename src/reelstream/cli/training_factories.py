"""Builds what fits from the settings; apart from `factories`, as it takes long to import."""

from __future__ import annotations

from reelstream.cli.factories import open_work_folder
from reelstream.engines.interface import Engine, FitContext, FitParameters
from reelstream.engines.local import LocalEngine
from reelstream.errors import MissingExtraError, how_to_install
from reelstream.settings import Settings
from reelstream.training.rebuild import rebuild
from reelstream.training.stores import TrainingStores
from reelstream.training.trainer import Trainer


def open_engine(settings: Settings) -> Engine:
    """The engine that fits. Raises MissingExtraError when its packages are not installed."""
    if settings.train.engine == "local":
        return LocalEngine()
    try:
        from reelstream.engines.spark.engine import SparkEngine  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the Spark engine needs {error.name}: {how_to_install('spark')}"
        ) from error
    return SparkEngine(settings.spark.master, settings.spark.conf)


def open_trainer(settings: Settings) -> Trainer:
    """The trainer of a work folder. Raises SettingError when the folder belongs to no stream."""
    folder, binding = open_work_folder(settings)
    context = FitContext(
        catalog=folder.read_catalog(),
        scale=binding.scale,
        parameters=FitParameters(
            seed=settings.train.seed, one_task_ratings=settings.spark.one_task_ratings
        ),
    )
    stores, engine = TrainingStores.of(folder), open_engine(settings)
    return Trainer(stores, engine, context, keep=settings.train.keep)


def rebuild_set(settings: Settings, number: int) -> list[str]:
    """Make a model set again; the names of the files that come out differently."""
    folder, _ = open_work_folder(settings)
    stores, engine = TrainingStores.of(folder), open_engine(settings)
    return rebuild(number, stores, engine, folder.read_catalog(), folder.root)
