"""Compares a new set with the one in service on ratings that neither has learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from reelstream.evaluation.gate import GateRatings, compare_rankings, judge
from reelstream.evaluation.prequential import replay
from reelstream.evaluation.reports import GateReport, Scores
from reelstream.evaluation.sampled_lists import (
    CandidateLists,
    ListQuestion,
    questions_of_holdout,
)
from reelstream.evaluation.scores import clipped_errors, score
from reelstream.features.holdout import HOLDOUT_RULE, is_trainable, judges_at_gate
from reelstream.models.choice.live import LiveChoice
from reelstream.models.model_set import ModelSet, Predictions
from reelstream.models.recommendation import live_choice_of
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale
from reelstream.storage.snapshot_reader import SnapshotReader
from reelstream.training.selection import BatchSelection

# Of more users an even sample is compared: folding in all would take time and change no verdict.
MAX_GATE_USERS = 10_000


@dataclass(frozen=True, slots=True)
class Champion:
    """The set in service, with the numbers of the batches that it was trained on."""

    model_set: ModelSet
    batches: frozenset[int]
    holdout_rule: int
    """See `Release.holdout_rule`."""


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
    batches = selection.batches_of(queried)
    included = {manifest.number for manifest in selection.included}
    # Batches that were excluded since then are judged no more.
    earlier = included if champion is None else champion.batches & included
    questions = questions_of_holdout(
        known, queried[np.isin(batches, list(earlier))], scale.like_threshold
    )
    choice = live_choice_of(challenger)
    champion_choice = None if champion is None else _in_service(champion, snapshot)
    # What both are asked about was rated when the champion was fitted: a film that is new since can
    # only be wrong there, so neither may list it.
    listed = None if champion_choice is None else champion_choice.model.items.ids
    answers, ranked = _answers(challenger, choice, known, queried, questions, listed)
    holdout = _scores(answers, ranked, queried, scale)
    if champion is None:
        return GateReport("first", "there is no set in service to compare it with"), holdout
    if champion.holdout_rule != HOLDOUT_RULE:
        return GateReport("first", "the set in service was made with another holdout"), holdout
    champion_answers, champion_ranked = _answers(
        champion.model_set, champion_choice, known, queried, questions, listed
    )
    ratings = GateRatings(
        user_ids=queried.user_id,
        batches=batches,
        ratings=queried.rating,
        champion_errors=clipped_errors(champion_answers.mean, queried.rating, scale),
        challenger_errors=clipped_errors(answers.mean, queried.rating, scale),
    )
    ranking = None
    if ranked is not None and champion_ranked is not None:
        ranking = compare_rankings(champion_ranked, ranked)
    return judge(ratings, earlier, ranking), holdout


def _scores(
    answers: Predictions,
    ranked: NDArray[np.float64] | None,
    queried: EventColumns,
    scale: RatingScale,
) -> Scores:
    scores = score(answers, queried.rating, scale)
    if ranked is None or not len(ranked):
        return scores
    return msgspec.structs.replace(scores, ndcg_10=float(ranked.mean()))


def _in_service(champion: Champion, snapshot: SnapshotReader) -> LiveChoice | None:
    """The champion's choice model as it serves: it has counted the likes since it was fitted. None
    without a choice model.
    """
    choice = live_choice_of(champion.model_set)
    if choice is not None:
        for chunk in snapshot.ratings():
            newer = chunk[chunk.is_after(choice.model.end_offsets)]
            choice.count(newer[~judges_at_gate(newer)])
    return choice


def _answers(
    model_set: ModelSet,
    choice: LiveChoice | None,
    known: EventColumns,
    queried: EventColumns,
    questions: Sequence[ListQuestion],
    listed: NDArray[np.int64] | None,
) -> tuple[Predictions, NDArray[np.float64] | None]:
    """Predictions of the ratings `queried`, and NDCG@10 of each question's list of items that are
    among `listed`; None without a choice model.
    """
    if choice is None:
        return replay(model_set, known, queried, "nothing"), None
    lists = CandidateLists.of(choice, questions, EventColumns.empty(), among=listed)
    # One replay for both: most of its time goes into the users.
    asked = EventColumns.concatenate([queried, lists.queries()])
    answers = replay(model_set, known, asked, "nothing")
    n = len(queried)
    return answers[:n], lists.ndcg(answers.like_probability[n:])


def _split_for_gate(snapshot: SnapshotReader) -> tuple[EventColumns, EventColumns]:
    """What is folded in, all outside the holdout, and what is queried, the gate's half of it."""
    every = len(snapshot.user_ids) // MAX_GATE_USERS + 1
    ratings = snapshot.of_users(snapshot.user_ids[::every]).ratings
    return ratings[is_trainable(ratings)], ratings[judges_at_gate(ratings)]
