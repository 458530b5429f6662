"""A recommender in a folder, whole or not at all.

recommender.json                            what it is, and the checksum of every other file
films.json                                  the catalogue
ids.json                                    whether ids are numbers or texts, and the users' texts
regression/, classification/, clustering/   the model families
choice/                                     the fourth; not where the set has none
histories/                                  every user's ratings, as a snapshot
items/                                      what items have learned since the fit
likes/                                      what was liked until now; beside choice/
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from reelstream import __version__
from reelstream.catalog import Catalog
from reelstream.errors import DamagedError, StorageError
from reelstream.files import (
    encode_json,
    publish_folder,
    read_json,
    temporary_path,
    translate_errors,
    write_synced,
)
from reelstream.models.choice.live import LiveChoice
from reelstream.models.model_set import ModelSet, TrainedOn
from reelstream.models.rating.online_items import OnlineItems
from reelstream.models.recommendation import live_choice_of
from reelstream.models.registry import load_saved_bundle, save_bundle
from reelstream.ratings.histories import Histories
from reelstream.ratings.ids import NUMBERS, IdKind, Ids, TextIds
from reelstream.ratings.scale import RatingScale
from reelstream.storage.id_names import learn_films
from reelstream.storage.release_store import sha256_of
from reelstream.storage.snapshot import read_snapshot, write_snapshot

ABOUT: Final = "recommender.json"
_IDS = "ids.json"


@dataclass(slots=True, kw_only=True)
class RecommenderParts:
    """Everything that a recommender answers from."""

    model_set: ModelSet
    histories: Histories
    items: OnlineItems
    choice: LiveChoice | None
    """None where the set was trained before there was the choice model."""
    partition: int
    """New events get offsets of this partition, which the set has learned nothing of."""
    next_offset: int
    ids: Ids
    """Of its users and items, with all their texts."""


class _IdsFile(msgspec.Struct, kw_only=True):
    format: Literal[1] = 1
    user_ids: IdKind
    item_ids: IdKind
    users: tuple[str, ...] = ()
    """Texts of the users with ratings; those of items are among the films."""


class _About(msgspec.Struct, kw_only=True):
    format: Literal[1] = 1
    reelstream: str
    scale: RatingScale
    trained_end_offsets: dict[int, int]
    excluded_offsets: dict[int, tuple[tuple[int, int], ...]]
    partition: int
    next_offset: int
    checksums: dict[str, str]
    """Path in the folder -> SHA-256."""


def write_recommender(parts: RecommenderParts, folder: Path) -> None:
    """Write a recommender into `folder`, in place of the one that is there.

    Raises StorageError when the folder holds anything else.
    """
    if folder.exists() and not (folder / ABOUT).exists() and any(folder.iterdir()):
        raise StorageError(f"{folder} holds something else than a recommender: name another folder")
    # Beside the folder, so that a rename on one file system can publish it.
    temporary = temporary_path(folder)
    with translate_errors(temporary):
        for name in ("histories", "items"):
            (temporary / name).mkdir(parents=True)
        save_bundle(parts.model_set.models, temporary)
        write_snapshot(parts.histories, temporary / "histories")
        parts.items.save(temporary / "items")
        if parts.choice is not None:
            (temporary / "likes").mkdir()
            parts.choice.save(temporary / "likes")
    parts.model_set.catalog.write(temporary / "films.json")
    _write_ids(parts, temporary / _IDS)
    about = _About(
        reelstream=__version__,
        scale=parts.model_set.scale,
        trained_end_offsets=dict(parts.model_set.trained_on.trained_end_offsets),
        excluded_offsets=dict(parts.model_set.trained_on.excluded),
        partition=parts.partition,
        next_offset=parts.next_offset,
        checksums=_checksums(temporary),
    )
    # Last, as it holds the checksums of all else.
    write_synced(temporary / ABOUT, encode_json(about))
    _publish(temporary, folder)


def read_recommender(folder: Path) -> RecommenderParts:
    """What `write_recommender` wrote, arrays memory-mapped.

    Raises StorageError when there is none, DamagedError when a file is not what was written.
    """
    if not (folder / ABOUT).is_file():
        raise StorageError(f"{folder} holds no recommender: name a folder that one was saved to")
    about = read_json(folder / ABOUT, _About)
    found = _checksums(folder)
    for path, checksum in about.checksums.items():
        if found.get(path) != checksum:
            state = "has changed since it was saved" if path in found else "is missing"
            raise DamagedError(f"{folder / path} {state}: take the folder from a copy")
    catalog = Catalog.read(folder / "films.json")
    model_set = ModelSet(
        number=0,
        models=load_saved_bundle(folder),
        catalog=catalog,
        scale=about.scale,
        trained_on=TrainedOn(about.trained_end_offsets, about.excluded_offsets),
    )
    histories = read_snapshot(folder / "histories")
    items = model_set.online_items()
    items.restore(folder / "items")
    choice = live_choice_of(model_set)
    if choice is not None:
        choice.restore(folder / "likes")
    return RecommenderParts(
        model_set=model_set,
        histories=histories,
        items=items,
        choice=choice,
        partition=about.partition,
        next_offset=about.next_offset,
        ids=_read_ids(folder / _IDS, catalog),
    )


def _write_ids(parts: RecommenderParts, path: Path) -> None:
    user = parts.ids.user
    texts = user.texts_of(parts.histories.user_ids) if isinstance(user, TextIds) else ()
    user_ids, item_ids = parts.ids.kinds
    note = _IdsFile(user_ids=user_ids, item_ids=item_ids, users=tuple(texts))
    write_synced(path, encode_json(note))


def _read_ids(path: Path, catalog: Catalog) -> Ids:
    if not path.exists():
        return NUMBERS  # saved by a version that knew nothing else
    note = read_json(path, _IdsFile)
    ids = Ids.of_kinds(note.user_ids, note.item_ids)
    if isinstance(ids.user, TextIds):
        ids.user.learn(note.users)
    learn_films(ids, catalog)
    return ids


def _checksums(folder: Path) -> dict[str, str]:
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ABOUT)
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in paths}


def _publish(temporary: Path, folder: Path) -> None:
    """Rename a finished folder, after moving away the one that it replaces."""
    replaced = temporary_path(folder)
    with translate_errors(folder):
        if folder.exists():
            os.rename(folder, replaced)
        publish_folder(temporary, folder)
        # A recommender that was loaded from it has its files mapped: they live on until it ends.
        shutil.rmtree(replaced, ignore_errors=True)
