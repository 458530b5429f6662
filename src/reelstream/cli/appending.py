"""Ratings that are added to the data set of a work folder, and what is sent of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from reelstream.cli.dataset_factories import columns_of
from reelstream.cli.notices import print_notice
from reelstream.datasets import Dataset, detect
from reelstream.errors import DatasetError, SettingError
from reelstream.storage.work_folder import BoundDataSet, BoundPart, WorkFolder


def data_set_to_bind(folder: WorkFolder, dataset: Dataset, *, appends: bool) -> BoundDataSet:
    """What the folder is bound to after this command; with `appends`, new ratings are added to it.

    Raises SettingError when the ratings are others than those of the folder.
    """
    path = dataset.ratings_file.absolute()
    columns = str(dataset.columns) or None
    named = BoundDataSet(dataset.name, dataset.fingerprint, str(path), columns, dataset.size)
    known = folder.binding().data_set if folder.is_bound else None
    if known is None or known.is_same(named):
        return named
    begins = [place for text in _texts(known) if (place := dataset.end_of(*text))]
    if not begins:
        _check_another(folder, known, named, appends=appends)
    elif not appends:
        print_notice(
            f"{dataset.ratings} has ratings that were appended since it was sent: `reelstream "
            "produce --append` sends them"
        )
        return known
    first = max((first for _, first in begins), default=0)
    folder.append(
        BoundPart(
            ratings_file=str(path),
            fingerprint=dataset.fingerprint,
            first=first,
            end=dataset.size,
            columns=columns,
        )
    )
    return known


def parts_of(data_set: BoundDataSet, dataset: Dataset) -> Iterator[Dataset]:
    """All that is sent of a data set: what it was at first, then what was added, each a source.

    `dataset`: one of its files, opened. A file that is gone, or has changed, is left out with a
    notice: the log keeps what it has of it. Raises StorageError and DatasetError.
    """
    parts = [(data_set.ratings_file, data_set.fingerprint, 0, data_set.size, data_set.columns)]
    parts += [(p.ratings_file, p.fingerprint, p.first, p.end, p.columns) for p in data_set.parts]
    for ratings_file, fingerprint, first, size, columns in parts:
        if first == 0 and fingerprint == dataset.fingerprint:
            yield dataset
        elif place := dataset.end_of(fingerprint, size):
            yield dataset.part(first, place[0])
        elif other := _opened(ratings_file, columns, fingerprint, size):
            yield other[0].part(first, other[1])
        else:
            print_notice(
                f"{ratings_file} is gone or has changed: of its ratings the stream has what was "
                "sent before"
            )


def _texts(data_set: BoundDataSet) -> list[tuple[str, int | None]]:
    """Fingerprint and size of all that a file of the data set was at some time."""
    return [
        (data_set.fingerprint, data_set.size),
        *((part.fingerprint, part.end) for part in data_set.parts),
    ]


def _check_another(
    folder: WorkFolder, known: BoundDataSet, named: BoundDataSet, *, appends: bool
) -> None:
    """Raises SettingError unless the data set is a further file that shall be added."""
    files = {known.ratings_file, *(part.ratings_file for part in known.parts)}
    if named.ratings_file in files:
        raise SettingError(
            f"{named.ratings_file} has changed since it was sent to {folder.root}: rows that were "
            "sent are others now, or gone. Put new ratings at its end or into a file of their own, "
            "or name another folder with --work"
        )
    if not appends:
        raise SettingError(
            f"{folder.root} belongs to the data set {known.name} ({known.fingerprint[:12]}), "
            f"not to {named.name} ({named.fingerprint[:12]}): name another folder with "
            "--work, or add its ratings to the same stream with `reelstream produce --append`"
        )


def _opened(
    ratings_file: str, columns: str | None, fingerprint: str, size: int | None
) -> tuple[Dataset, int] | None:
    """A file of the data set, and where its ratings ended; None when it does not hold them."""
    try:
        other = detect(Path(ratings_file), columns_of(columns))
    except DatasetError:
        return None
    place = other.end_of(fingerprint, size)
    return None if place is None else (other, place[0])
