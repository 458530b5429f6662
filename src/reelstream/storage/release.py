"""What a release says of its model set: what it learned from, what it scored, and whether it may
serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from reelstream.errors import DamagedError
from reelstream.evaluation.reports import BatchScores, GateReport, Scores
from reelstream.files import read_json
from reelstream.ratings.scale import RatingScale
from reelstream.storage.numbered_files import NumberedFiles

FAMILIES = ("regression", "classification", "clustering")


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The file that makes a model set exist."""

    number: int
    """That of the last batch; further, where exclusions made a set of the same batches
    necessary.
    """
    created_at: int
    """Seconds since 1970, UTC."""
    manifests: list[tuple[int, int]]
    """(number, revision) of every manifest the set was trained on."""
    excluded: list[int]
    """Numbers of the batches left out on purpose."""
    trained_end_offsets: dict[int, int] = msgspec.field(name="trained_through")
    """Partition -> end offset of the last batch: live learning continues from here."""
    excluded_offsets: dict[int, tuple[tuple[int, int], ...]]
    """Of each partition, the ranges [first, next) of the excluded batches."""
    scale: RatingScale
    champion: int | None
    """The set in service when this one was trained: its chain was gone on with. None: started
    cold.
    """
    gate: GateReport
    holdout: Scores
    """On the gate's half of the holdout, which nothing was fitted to."""
    record: list[BatchScores]
    """The batches since the release before, each as the set in service predicted it."""
    engine: str
    seed: int
    parameters: dict[str, Any]
    versions: dict[str, str]
    """Of Python and the packages that decide the numbers."""
    folders: dict[str, str] = {}
    """Model family -> the folder of its files."""
    checksums: dict[str, str] = {}
    """`folder/file` -> SHA-256, for every file of the set."""
    format: int = 1

    @property
    def through(self) -> int:
        """The number of the last batch that the set knew of, trained on or left out."""
        return max([*(number for number, _ in self.manifests), *self.excluded])

    @property
    def may_serve(self) -> bool:
        """Whether the gate let it through."""
        return self.gate.verdict != "refused"


def released_in(folder: Path) -> NumberedFiles:
    """The numbers of all sets that were ever published; a file whose name only resembles a
    release's is nobody's.
    """
    return NumberedFiles(folder, r"release_([1-9][0-9]*)\.json")


def release_path(folder: Path, number: int) -> Path:
    """Where the release of set `number` lies."""
    return folder / f"release_{number}.json"


def read_release(folder: Path, number: int) -> Release:
    """One release that is there. Raises DamagedError when it is not what was published."""
    path = release_path(folder, number)
    release = read_json(path, Release)
    if release.number != number:
        raise DamagedError(f"{path} holds release {release.number}: put the right one back")
    missing = [family for family in FAMILIES if family not in release.folders]
    if missing:
        raise DamagedError(f"{path} is not what was published: it names no {missing[0]} folder")
    return release


def read_releases(
    folder: Path, numbers: Iterable[tuple[int, ...]], known: Mapping[int, Release]
) -> tuple[dict[int, Release], dict[int, str]]:
    """The releases of these `numbers`, and what is wrong with each that is damaged.

    Those that are `known` are not read again: a published release never changes.
    """
    found, damage = {}, {}
    for (number,) in numbers:
        try:
            found[number] = known[number] if number in known else read_release(folder, number)
        except DamagedError as error:
            damage[number] = str(error)
    return found, damage


class Pointer(msgspec.Struct):
    """What CURRENT and PINNED hold."""

    number: int
    """Of a model set."""
    format: int = 1


def pointed_at(path: Path) -> int | None:
    """The number in a pointer's file; None when there is no such file. Raises DamagedError."""
    return read_json(path, Pointer).number if path.exists() else None
