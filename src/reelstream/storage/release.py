"""What a release says of its model set: what it learned from, what it scored, and whether it may
serve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from reelstream.errors import DamagedError
from reelstream.files import read_json
from reelstream.ratings.scale import RatingScale
from reelstream.storage.numbered_files import NumberedFiles

FAMILIES = ("regression", "classification", "clustering")

Verdict = Literal["first", "accepted", "insufficient", "refused"]


class Scores(msgspec.Struct, frozen=True, omit_defaults=True):
    """What predictions scored; None where the ratings cannot tell, or nothing was predicted that
    could be scored.
    """

    n: int
    """Ratings that were scored."""
    rmse: float | None = None
    """Root mean squared error in stars, predictions clipped to the scale."""
    mae: float | None = None
    """Mean absolute error in stars, predictions clipped to the scale."""
    auc: float | None = None
    """Area under the ROC curve for rating >= like threshold; None when all ratings are on one side
    of it.
    """
    log_loss: float | None = None
    """Mean negative log of the probability given to what came: liked or not."""
    log_likelihood: float | None = None
    """Mean log density of the ratings under N(mean, sd^2), unclipped."""
    ece: float | None = None
    """Expected calibration error of the like probability over 10 bins of equal width (Naeini et
    al., AAAI 2015).
    """
    coverage_1sd: float | None = None
    """Share of ratings within one standard deviation of the mean; 0.683 when errors are normal and
    sd is right.
    """
    coverage_2sd: float | None = None
    """The same within two; 0.954."""


class WindowScores(msgspec.Struct, frozen=True):
    """What the last so many ratings scored at one moment of a batch."""

    ratings: int
    """Of the batch, up to that moment."""
    live: Scores
    static: Scores
    live_users: Scores


class BatchScores(msgspec.Struct, frozen=True):
    """One line of the prequential record: a batch predicted by the set in service before anybody
    learned from it.
    """

    batch: int
    model_set: int | None
    """The set that predicted; None for a batch that came before the first set."""
    live: Scores | None
    """Each rating learned by its user and its film before the next is predicted: what the server
    does.
    """
    static: Scores | None
    """Without that: users as they were when the batch began."""
    global_mean: Scores
    """The mean of all ratings before the batch."""
    biases: Scores
    """Damped user and item biases of all ratings before the batch."""
    live_users: Scores | None = None
    """Each rating learned by its user alone: films as they were when the set was fitted."""
    windows: list[WindowScores] = []
    """A window that moves through the batch in order of time; none in a batch that is shorter."""


class Comparison(msgspec.Struct, frozen=True):
    """Challenger and champion on the same ratings."""

    n: int
    """Ratings compared."""
    n_users: int
    spread: float
    """Standard deviation of the ratings: the RMSE that their own mean would have."""
    champion_rmse: float
    challenger_rmse: float
    standard_error: float | None
    """Of the difference of the two, clustered by user; None with fewer than two users."""
    worse: bool
    """Whether the challenger is worse by more than chance and more than is tolerated."""


class GateReport(msgspec.Struct, frozen=True):
    """Why a set may serve, or may not."""

    verdict: Verdict
    reason: str
    """One sentence for a person."""
    earlier: Comparison | None = None
    """All batches together that the champion has learned from: what the verdict rests on."""
    batches: dict[int, Comparison] = {}
    """Each batch by itself, the newest included."""


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
