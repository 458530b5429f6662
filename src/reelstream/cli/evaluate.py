"""`reelstream evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.evaluate_options import FitOptions, SplitOptions
from reelstream.cli.exit_codes import DONE
from reelstream.cli.options import DATA, Json
from reelstream.cli.output import print_json, print_table
from reelstream.cli.progress import busy
from reelstream.settings import Settings

if TYPE_CHECKING:
    from reelstream.evaluation.offline import Evaluation
    from reelstream.evaluation.offline_ranking import RankingEvaluation

_FIGURES = {
    "rmse": "RMSE",
    "mae": "MAE",
    "auc": "AUC",
    "log_loss": "log loss",
    "log_likelihood": "log likelihood",
    "ece": "ECE",
    "coverage_1sd": "within 1 sd",
    "coverage_2sd": "within 2 sd",
}
_RANKING_FIGURES = {
    "ndcg_10": "NDCG@10",
    "ndcg_10_by_user": "NDCG@10, by user",
    "ndcg_100": "NDCG@100",
    "recall_20": "recall@20",
    "recall_50": "recall@50",
    "mrr": "MRR",
    "novelty": "novelty, bits",
    "coverage": "coverage",
}


@with_settings(*DATA)
def evaluate(
    settings: Settings,
    split: SplitOptions,
    fit: FitOptions,
    rank: Annotated[
        bool, typer.Option("--rank", help="Score recommendations instead of predictions.")
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Stop at the first row that is no rating; count none."),
    ] = False,
    as_json: Json = False,
) -> int:
    """Split, fit, predict and score."""
    split.check(settings.data.folder)
    split.check_for_ranking(ranks=rank)
    # As for `train`: help and a wrong flag need not wait for what fits.
    from reelstream.cli.offline_evaluation import evaluate_ranking, evaluate_split  # noqa: PLC0415

    if rank:
        with busy("fitting and ranking"):
            name, ranking, rejected = evaluate_ranking(settings.data, split, fit, is_strict=strict)
        if as_json:
            print_json(ranking.as_dict() | {"rejected": rejected})
        else:
            _print_ranking(name, ranking)
        return DONE
    with busy("fitting and predicting"):
        name, result, rejected = evaluate_split(settings.data, split, fit, is_strict=strict)
    if as_json:
        print_json(result.as_dict() | {"rejected": rejected})
    else:
        _print(name, result)
    return DONE


def _print(name: str, result: Evaluation) -> None:
    columns = [("served", result.scores)]
    if result.live_users is not None and result.static is not None:
        columns = [
            ("served: users and films learn", result.scores),
            ("users learn", result.live_users),
            ("nothing learns", result.static),
        ]
    columns += [(each.replace("_", " "), scores) for each, scores in result.baselines.items()]
    print_table(
        ["", *(label for label, _ in columns)],
        [
            [label, *(getattr(scores, field) for _, scores in columns)]
            for field, label in _FIGURES.items()
        ],
        title=f"{name}: fitted on {result.n_train:,} ratings, {result.n_test:,} predicted",
    )
    typer.echo(
        f"fitted in {result.fit_seconds:.2f} s, after {result.compile_seconds:.2f} s of compilation"
    )


def _print_ranking(name: str, result: RankingEvaluation) -> None:
    scored = result.as_dict()
    columns = {"served": scored}
    if "static" in scored:
        columns = {"served: users and films learn": scored, "nothing learns": scored["static"]}
    columns |= scored["baselines"]
    print_table(
        ["", *columns],
        [
            [label, *(scores.get(field) for scores in columns.values())]
            for field, label in _RANKING_FIGURES.items()
        ],
        title=f"{name}: fitted on {result.n_train:,} ratings, {scored['n']:,} lists for"
        f" {scored['n_users']:,} users",
    )
    if bins := scored.get("choice_calibration"):
        print_table(
            ["chosen next with a probability below", "films", "predicted", "came"],
            [[each["below"], each["n"], each["predicted"], each["came"]] for each in bins],
        )
    for method, later in scored.get("rated_later", {}).items():
        if later["n"]:
            typer.echo(
                f"{method}: {later['n']:,} recommended films were rated later,"
                f" {later['like_share']:.3f} of them liked,"
                f" {later['mean_stars']:.2f} stars on average"
            )
    typer.echo(f"fitted in {result.fit_seconds:.2f} s")
