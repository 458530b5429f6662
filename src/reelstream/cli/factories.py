"""Builds the log and the work folder from the settings.

Data sets are in `dataset_factories` and what fits in `training_factories`: they take longer to
import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from reelstream.broker import open_broker
from reelstream.broker.interface import Broker
from reelstream.cli.notices import print_notice
from reelstream.errors import BrokerError, SettingError
from reelstream.ratings.ids import IdKinds, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.settings import DataSettings, ServeSettings, Settings
from reelstream.storage.api_keys import ApiKeys
from reelstream.storage.work_folder import Binding, WorkFolder

if TYPE_CHECKING:
    from reelstream.api.access import Access
    from reelstream.datasets import Dataset
    from reelstream.storage.batch_files import BatchFolder


def open_work_folder(settings: Settings) -> tuple[WorkFolder, Binding]:
    """The work folder and the stream to which it is bound already.

    Raises SettingError when it is bound to none, or to another than the settings name.
    """
    folder = WorkFolder(settings.work)
    scale = _overridden(folder.binding().scale, settings.data)
    broker = settings.broker
    kinds = _kinds_to_bind(folder, settings.data, None)
    return folder, folder.bind(broker=broker.url, topic=broker.topic, scale=scale, id_kinds=kinds)


def known_ids(folder: WorkFolder) -> Ids:
    """The ids of a stream, with all that its batches and films name. Raises DamagedError."""
    from reelstream.storage.batch_files import BatchFolder  # noqa: PLC0415
    from reelstream.storage.id_names import open_ids  # noqa: PLC0415

    batches = BatchFolder.in_folder(folder.batches)
    return open_ids(folder.binding().ids(), batches, folder.read_catalog())


def bind_work_folder(
    settings: Settings, dataset: Dataset | None, *, appends: bool = False
) -> tuple[WorkFolder, Binding]:
    """The work folder, bound to this data set and log from now on, and that stream.

    The films of the data set are written into it, and taken over when they have changed. With
    `appends`, ratings that the folder does not know yet are added to its data set.

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
        # Data sets take longer to import, and most commands open none.
        from reelstream.cli.appending import data_set_to_bind  # noqa: PLC0415

        data_set = data_set_to_bind(folder, dataset, appends=appends)
    binding = folder.bind(
        broker=broker.url,
        topic=broker.topic,
        scale=scale,
        id_kinds=_kinds_to_bind(folder, settings.data, dataset),
        data_set=data_set,
    )
    if dataset is not None:
        _take_over_films(folder, dataset.with_ids(binding.ids()))
    return folder, binding


def _take_over_films(folder: WorkFolder, dataset: Dataset) -> None:
    from reelstream.cli.film_updates import say_what_was_read, update_films  # noqa: PLC0415

    is_new, read = not folder.films.exists(), dataset.read_catalog()
    done = update_films(folder, read)
    if is_new:
        for note in dataset.notes:
            print_notice(note)
        say_what_was_read(read, dataset.name)
    elif done.added or done.changed:
        print_notice(f"films of {dataset.name}: {done.added:,} added, {done.changed:,} changed")


def open_log(binding: Binding, kafka: Mapping[str, str]) -> Broker:
    """The log of a stream, to be used in `with`.

    Raises BrokerError, and MissingExtraError without Kafka's client.
    """
    return open_broker(binding.broker, kafka)


def access_of(folder: WorkFolder, serve: ServeSettings) -> Access:
    """Who may do what at a server's address. Raises SettingError where nobody may do anything."""
    # Flask's world takes longer to import than most commands take.
    from reelstream.api.access import Access  # noqa: PLC0415

    # Others reach the server through a proxy, wherever it listens itself.
    needs_key = serve.needs_key or serve.proxies > 0
    return Access.on(serve.host, ApiKeys(folder.keys), needs_key=needs_key, rate=serve.rate)


def api_key(settings: Settings, folder: WorkFolder) -> str | None:
    """The key with which a command asks the API, if it has one. Raises SettingError."""
    file = settings.ui.api_key_file or folder.page_key
    try:
        return file.read_text().strip()
    except FileNotFoundError as error:
        if settings.ui.api_key_file is None:
            return None
        raise SettingError(f"{file}: no such file: check --api-key-file") from error
    except OSError as error:
        raise SettingError(f"{file} holds no key that can be read: {error.strerror}") from error


def check_topic(log: Broker, topic: str, batches: BatchFolder) -> None:
    """Raises BrokerError when the batches were made from another topic of this name.

    Nothing of theirs would read what is sent to this one.
    """
    newest = batches.newest()
    if newest is not None and newest.topic_id != log.topic_id(topic):
        raise BrokerError(
            f"the topic {topic!r} is not the one that the batches in"
            f" {batches.store.describe()} were made from, it was deleted and made anew:"
            " nothing was sent"
        )


def rating_scale(scale: RatingScale, settings: DataSettings) -> RatingScale:
    """The data set's scale, changed as the settings say. Raises SettingError for an invalid one."""
    if settings.scale is not None:
        scale = _parsed_scale(settings.scale, scale)
    # After data.scale: a single value is more specific.
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


def _parsed_scale(text: str, found: RatingScale) -> RatingScale:
    """The scale in a text such as `0:10:1`; what is liked stays where it was, or is the upper fifth
    of a scale of another height.
    """
    try:
        lowest, highest, step = map(float, text.split(":"))
    except ValueError:
        raise SettingError(
            f"data.scale {text!r} is not a scale: write LOW:HIGH:STEP, for example 0:10:1"
        ) from None
    threshold = found.like_threshold if highest == found.highest else 0.8 * highest
    return RatingScale(lowest, highest, step, threshold)


def _scale_to_bind(
    folder: WorkFolder, settings: DataSettings, dataset: Dataset | None
) -> RatingScale | None:
    """The scale for a new binding or a first data set; None: the bound one stays."""
    bound = folder.binding() if folder.is_bound else None
    if bound is not None and (dataset is None or bound.data_set is not None):
        return _overridden(bound.scale, settings)
    return rating_scale(RatingScale() if dataset is None else dataset.scale, settings)


def _kinds_to_bind(
    folder: WorkFolder, settings: DataSettings, dataset: Dataset | None
) -> IdKinds | None:
    """The kinds of ids for a new binding or a first data set; None: the bound ones stay."""
    bound = folder.binding() if folder.is_bound else None
    if bound is not None and (dataset is None or bound.data_set is not None):
        # Ratings that are added have the stream's ids, whatever theirs look like.
        found = bound.id_kinds
    else:
        found = ("number", "number") if dataset is None else dataset.ids.kinds
    return settings.user_ids or found[0], settings.item_ids or found[1]


def _overridden(bound: RatingScale, settings: DataSettings) -> RatingScale | None:
    """The scale that the settings demand, if it is another than the bound one."""
    wanted = rating_scale(bound, settings)
    return None if wanted == bound else wanted
