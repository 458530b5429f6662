"""`reelstream evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reelstream.cli.command_settings import with_settings
from reelstream.cli.exit_codes import DONE
from reelstream.cli.options import DATA, Json
from reelstream.cli.output import print_json, print_table
from reelstream.cli.progress import busy
from reelstream.errors import SettingError
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


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitOptions:
    """Which ratings are fitted and which predicted."""

    split: Annotated[
        Literal["random", "time", "users"] | None,
        typer.Option(
            help="At random, the newest ratings as test, or (with --rank) some users."
            "  [default: random; with --rank time]"
        ),
    ] = None
    test_share: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="Share of the ratings, or users, that is the test."
            "  [default: 0.2; by time 0.333; users 0.1]",
        ),
    ] = None
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of the random split, or of users.")
    ] = 42
    train: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ratings to fit on; films from its folder."),
    ] = None
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="Ratings to predict.")] = None
    times: Annotated[
        Literal["ignore", "use"] | None,
        typer.Option(
            help="Withhold times from fit and query, or not.  [default: ignore; by time use]"
        ),
    ] = None

    def check(self, data: Path | None) -> None:
        """Raises SettingError when options contradict each other, or `data` from `--data`."""
        if (self.train is None) != (self.test is None):
            raise SettingError("--train and --test go together: name both files")
        if self.test_share is not None and not 0 < self.test_share < 1:
            raise SettingError(f"--test-share {self.test_share:g} is not a share between 0 and 1")
        if self.train is not None and data is not None:
            raise SettingError("name either --data, or --train and --test")

    def check_for_ranking(self, *, ranks: bool) -> None:
        """Raises SettingError when options do not go with `--rank`, or need it."""
        if ranks and (self.split == "random" or self.train is not None or self.times is not None):
            raise SettingError(
                "--rank splits by time or by users, and by time it uses times: leave out --split"
                " random, --train, --test and --times"
            )
        if not ranks and self.split == "users":
            raise SettingError("--split users is for recommendations: add --rank")


@dataclass(frozen=True, kw_only=True, slots=True)
class FitOptions:
    """How the ratings are fitted; None: as a trainer does."""

    factors: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Factors of a user and a film.  [default: 23; 15 above 5 million ratings]",
        ),
    ] = None
    sweeps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            help="Sweeps of the sampler; above 5 million ratings half of them."
            "  [default: 160; 304 below 300,000 ratings]",
        ),
    ] = None
    burn_in: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Sweeps before the first draw that is kept; likewise.  [default: 64]",
        ),
    ] = None
    draws: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Draws that are kept.  [default: 8; 4 above 5 million ratings]",
        ),
    ] = None


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
