"""A release: the record that makes a model set exist.

It says what the set learned from, what it scored, and whether it may serve.
"""

from __future__ import annotations

from typing import Any

import msgspec

from reelstream.evaluation.reports import BatchScores, GateReport, Scores
from reelstream.ratings.scale import RatingScale


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The file that makes a model set exist."""

    number: int
    """That of the last batch; a later one where exclusions made another set of the same batches."""
    created_at: int
    """Seconds since 1970, UTC."""
    manifests: list[tuple[int, int]]
    """(number, revision) of every manifest the set was trained on."""
    excluded: list[int]
    """Numbers of the batches excluded on purpose."""
    trained_end_offsets: dict[int, int] = msgspec.field(name="trained_through")
    """Partition -> end offset of the last batch: live learning continues from here."""
    excluded_offsets: dict[int, tuple[tuple[int, int], ...]]
    """Partition -> ranges [first, end) of the excluded batches."""
    scale: RatingScale
    champion: int | None
    """The set in service when this one was trained, from which its chain was warm-started. None: it
    started cold.
    """
    gate: GateReport
    holdout: Scores
    """On the gate's half of the holdout, which nothing was fitted to."""
    record: list[BatchScores]
    """The batches since the release before, each as the set in service predicted it."""
    engine: str
    seed: int
    parameters: dict[str, Any]
    """The fields of the engine's `FitParameters`, by name."""
    holdout_rule: int = 1
    """By which rule ratings were held out: `features.holdout.HOLDOUT_RULE` of that version."""
    versions: dict[str, str]
    """Of Python and the packages that decide the numbers."""
    folders: dict[str, str] = {}
    """Public name of each family that the set has -> the folder of its files."""
    checksums: dict[str, str] = {}
    """`folder/file` -> SHA-256, for every file of the set."""
    format: int = 1

    @property
    def last_batch(self) -> int:
        """The number of the last batch that the set knew of, trained on or excluded."""
        return max([*(number for number, _ in self.manifests), *self.excluded])

    @property
    def may_serve(self) -> bool:
        """Whether the gate accepted it."""
        return self.gate.verdict != "refused"
