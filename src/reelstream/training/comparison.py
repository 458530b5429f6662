"""Compares a new set with the one in service on ratings that neither has learned from."""

from __future__ import annotations

from dataclasses import dataclass

from reelstream.evaluation.gate import GateRatings, judge
from reelstream.evaluation.prequential import replay
from reelstream.evaluation.reports import GateReport, Scores
from reelstream.evaluation.scores import clipped_errors, score
from reelstream.features.holdout import is_trainable, judges_at_gate
from reelstream.models.model_set import ModelSet
from reelstream.ratings.columns import EventColumns
from reelstream.storage.snapshot_reader import SnapshotReader
from reelstream.training.selection import BatchSelection

# Of more users an even sample is compared: folding in all would take time and change no verdict.
MAX_GATE_USERS = 10_000


@dataclass(frozen=True, slots=True)
class Champion:
    """The set in service, and the numbers of the batches that it was trained on."""

    model_set: ModelSet
    batches: frozenset[int]


def compare(
    challenger: ModelSet,
    champion: Champion | None,
    snapshot: SnapshotReader,
    selection: BatchSelection,
) -> tuple[GateReport, Scores]:
    """The gate's verdict, and the challenger's scores on the gate's half of the holdout.

    `snapshot`: the histories of the selected batches, which the challenger was fitted to.
    """
    known, queried = _split_for_gate(snapshot)
    scale = challenger.scale
    answers = replay(challenger, known, queried, "nothing")
    holdout = score(answers, queried.rating, scale)
    if champion is None:
        return GateReport("first", "there is no set in service to compare it with"), holdout
    champion_answers = replay(champion.model_set, known, queried, "nothing")
    ratings = GateRatings(
        user_ids=queried.user_id,
        batches=selection.batches_of(queried),
        ratings=queried.rating,
        champion_errors=clipped_errors(champion_answers.mean, queried.rating, scale),
        challenger_errors=clipped_errors(answers.mean, queried.rating, scale),
    )
    # Batches that were excluded since then are judged no more.
    earlier = champion.batches & {manifest.number for manifest in selection.included}
    return judge(ratings, earlier), holdout


def _split_for_gate(snapshot: SnapshotReader) -> tuple[EventColumns, EventColumns]:
    """What is folded in, all outside the holdout, and what is queried, the gate's half of it."""
    every = len(snapshot.user_ids) // MAX_GATE_USERS + 1
    ratings = snapshot.of_users(snapshot.user_ids[::every]).ratings
    return ratings[is_trainable(ratings)], ratings[judges_at_gate(ratings)]
