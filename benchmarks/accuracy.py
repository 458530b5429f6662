"""How good are reelstream's predictions beside those of other libraries, on the same splits of
ml-latest-small?

Random 80/20 with seeds 42, 43 and 44, and by time: there the newest third comes in eight batches,
each peer is fitted again before every batch, and reelstream is fitted once and learns each rating
as it comes. How long fits take is `training.py`'s question.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import Bar, at_least, at_most, between, data_set, finish, more_than, parser
from peers import Answer, Contestant, Missing, Question, contestants
from peers.kept import KeptAnswers
from reelstream.catalog import Catalog
from reelstream.engines.interface import FitParameters
from reelstream.evaluation.offline import (
    Split,
    answer_from_both_sides,
    split_at_random,
    split_in_time,
)
from reelstream.evaluation.prequential import Learns
from reelstream.evaluation.reports import Scores
from reelstream.evaluation.scores import clipped_errors, score, score_points
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.scale import RatingScale
from served import answers, compile_all, fit, without_times

SEEDS = (42, 43, 44)
TEST_SHARE, TEST_SHARE_IN_TIME = 0.2, 0.333
N_BATCHES = 8
PACKAGES = ("scikit-surprise", "myfm", "lightgbm", "pyspark")

IGNORES, USES = "reelstream", "reelstream with times"
STATIC, LIVE_USERS, LIVE = (
    "reelstream, nothing learned",
    "reelstream, users learn",
    "reelstream, users and films learn",
)
LEARNERS: dict[str, Learns] = {STATIC: "nothing", LIVE_USERS: "users", LIVE: "users and films"}


@dataclass(frozen=True)
class Entry:
    """One contestant on one split."""

    uses_times: bool
    predicted: NDArray[np.float64]
    scores: Scores
    fit_seconds: float


def main() -> int:
    """Ask everybody everything."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--quick", action="store_true", help="seed 42, the time split and the fast peers only"
    )
    arguments.add_argument(
        "--reuse",
        type=Path,
        metavar="DIR",
        help="keep peers' answers in DIR, and take those that are there already",
    )
    options = arguments.parse_args()
    dataset = data_set(options.data)
    ratings, catalog = dataset.read_ratings(), dataset.read_catalog().catalog
    peers = contestants(quick=options.quick)
    kept = KeptAnswers(options.reuse, dataset.fingerprint)
    compile_all()
    random = {}
    for seed in SEEDS[:1] if options.quick else SEEDS:
        split = split_at_random(ratings, TEST_SHARE, seed)
        served = serve_at_random(split, catalog, dataset.scale)
        others = ask_peers(
            peers, f"random {seed}", [split.test], split, catalog, dataset.scale, kept
        )
        random[seed] = table(
            served | others, split.test, dataset.scale, against={False: IGNORES, True: USES}
        )
    split = split_in_time(ratings, TEST_SHARE_IN_TIME)
    served = serve_in_time(split, catalog, dataset.scale)
    batches = [split.test[rows] for rows in np.array_split(np.arange(len(split.test)), N_BATCHES)]
    others = ask_peers(peers, "time", batches, split, catalog, dataset.scale, kept)
    in_time = table(served | others, split.test, dataset.scale, against={False: LIVE, True: LIVE})
    missing = {peer.name: peer.make.reason for peer in peers if isinstance(peer.make, Missing)}
    for name, reason in missing.items():
        print(f"not asked: {name}: {reason}")
    return finish(
        "accuracy",
        {
            "data": {
                "name": dataset.name,
                "ratings": len(ratings),
                "quick": options.quick,
                "batches": N_BATCHES,
            },
            "random": {str(seed): rows for seed, rows in random.items()},
            "time": in_time,
            "missing": missing,
        },
        [*judge_random(list(random.values())), *judge_in_time(in_time)],
        packages=PACKAGES,
        keep=not options.quick,
    )


def serve_at_random(split: Split, catalog: Catalog, scale: RatingScale) -> dict[str, Entry]:
    """What is served with times withheld, and with times."""
    entries = {}
    for name, part in ((IGNORES, without_times(split)), (USES, split)):
        fitted = fit(part.train, catalog, scale, FitParameters(use_times=name == USES))
        said = (
            answer_from_both_sides(fitted.model_set, part)
            if name == USES
            else answers(fitted, part)
        )
        entries[name] = Entry(
            name == USES, said.mean, score(said, part.test.rating, scale), fitted.seconds
        )
        report(name, entries[name])
    return entries


def serve_in_time(split: Split, catalog: Catalog, scale: RatingScale) -> dict[str, Entry]:
    """One set: as it was at the split, and learning each rating once it was predicted."""
    fitted = fit(split.train, catalog, scale, FitParameters())
    entries = {}
    for name, learns in LEARNERS.items():
        said = answers(fitted, split, learns)
        entries[name] = Entry(
            True, said.mean, score(said, split.test.rating, scale), fitted.seconds
        )
        report(name, entries[name])
    return entries


def ask_peers(
    peers: Sequence[Contestant],
    split_name: str,
    batches: Sequence[EventColumns],
    split: Split,
    catalog: Catalog,
    scale: RatingScale,
    kept: KeptAnswers,
) -> dict[str, Entry]:
    """Every peer that is here, fitted again before every batch on all that came before it."""
    entries = {}
    for peer in peers:
        if isinstance(peer.make, Missing):
            continue
        contestant = peer.make()

        def ask(contestant: Any = contestant) -> Answer:
            known, said = split.train, []
            for batch in batches:
                said.append(
                    contestant.answer(Question(known, batch, catalog, scale, split.learns_test))
                )
                known = EventColumns.concatenate([known, batch])
            seconds = float(np.mean([answer.fit_seconds for answer in said]))
            return Answer(np.concatenate([answer.predicted for answer in said]), seconds)

        answer = kept.get(peer.name, split_name, ask)
        scores = score_points(answer.predicted, split.test.rating, scale)
        entries[peer.name] = Entry(peer.uses_times, answer.predicted, scores, answer.fit_seconds)
        report(peer.name, entries[peer.name])
    return entries


def table(
    entries: Mapping[str, Entry],
    test: EventColumns,
    scale: RatingScale,
    against: Mapping[bool, str],
) -> list[dict[str, Any]]:
    """Scores of everybody, and how far each is behind that entry of reelstream's which knows no
    more than it does.
    """
    rows = []
    for name, entry in entries.items():
        ours = entries[against[entry.uses_times]]
        behind, standard_error = rmse_difference(entry.predicted, ours.predicted, test, scale)
        scores = {
            field: value
            for field in Scores.__struct_fields__
            if (value := getattr(entry.scores, field)) is not None
        }
        rows.append(
            {
                "name": name,
                "uses_times": entry.uses_times,
                "behind": behind,
                "behind_standard_error": standard_error,
                **scores,
            }
        )
    return rows


def rmse_difference(
    theirs: NDArray[np.float64], ours: NDArray[np.float64], test: EventColumns, scale: RatingScale
) -> tuple[float, float]:
    """RMSE of theirs minus that of ours, and its standard error by the delta method with users as
    clusters.
    """
    influence, rmse = np.zeros(len(test)), []
    for sign, predicted in ((1, theirs), (-1, ours)):
        squares = clipped_errors(predicted, test.rating, scale) ** 2
        rmse.append(float(np.sqrt(squares.mean())))
        influence += sign * (squares - squares.mean()) / (2 * rmse[-1])
    _, cluster = np.unique(test.user_id, return_inverse=True)
    sums = np.bincount(cluster, influence)
    variance = len(sums) / (len(sums) - 1) * float((sums**2).sum())
    return rmse[0] - rmse[1], float(np.sqrt(variance)) / len(test)


def judge_random(tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[Bar]:
    """The bars of the random splits, means over the seeds."""
    rows = [{row["name"]: row for row in each} for each in tables]

    def mean(name: str, field: str) -> float:
        return float(np.mean([each[name][field] for each in rows]))

    def lead(ours: str, *, over_users_of_times: bool) -> float:
        """How far the best peer is behind, on the seed where it is best."""
        leads: list[float] = [
            row["rmse"] - each[ours]["rmse"]
            for each in rows
            for name, row in each.items()
            if name not in (IGNORES, USES) and (over_users_of_times or not row["uses_times"])
        ]
        return min(leads)

    return [
        at_most("random: RMSE, times ignored", mean(IGNORES, "rmse"), 0.799),
        at_least("random: AUC, times ignored", mean(IGNORES, "auc"), 0.817),
        at_most("random: log loss, times ignored", mean(IGNORES, "log_loss"), 0.522),
        at_most("random: ECE, times ignored", mean(IGNORES, "ece"), 0.015),
        between(
            "random: share within 1 sd, times ignored", mean(IGNORES, "coverage_1sd"), 0.66, 0.70
        ),
        between(
            "random: share within 2 sd, times ignored", mean(IGNORES, "coverage_2sd"), 0.93, 0.97
        ),
        more_than(
            "random: least lead in RMSE over peers that ignore times, on any seed",
            lead(IGNORES, over_users_of_times=False),
            0,
        ),
        at_most("random: RMSE, times used", mean(USES, "rmse"), 0.78),
        at_least("random: AUC, times used", mean(USES, "auc"), 0.826),
        more_than(
            "random: least lead in RMSE over all peers, times used, on any seed",
            lead(USES, over_users_of_times=True),
            0,
        ),
    ]


def judge_in_time(rows: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The bars of the time split."""
    live = next(row for row in rows if row["name"] == LIVE)
    peers = [row["rmse"] for row in rows if row["name"] not in LEARNERS]
    return [
        at_most("time: RMSE", live["rmse"], 0.772),
        at_least("time: AUC", live["auc"], 0.83),
        between("time: share within 1 sd", live["coverage_1sd"], 0.66, 0.76),
        between("time: share within 2 sd", live["coverage_2sd"], 0.93, 0.97),
        more_than("time: least lead in RMSE over all peers", min(peers) - live["rmse"], 0),
    ]


def report(name: str, entry: Entry) -> None:
    """One line while the benchmark runs."""
    scores = entry.scores
    print(
        f"{name}: RMSE {scores.rmse:.4f}, AUC {scores.auc:.4f}, fitted in"
        f" {entry.fit_seconds:.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
