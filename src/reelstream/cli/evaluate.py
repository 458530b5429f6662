"""`reelstream evaluate`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reelstream.cli import options
from reelstream.cli.exit_codes import DONE
from reelstream.cli.opening import cache_folder, open_settings, rating_scale
from reelstream.cli.output import print_json, print_table
from reelstream.errors import SettingError

if TYPE_CHECKING:
    from reelstream.datasets import Dataset
    from reelstream.evaluation.offline import Evaluation, Split
    from reelstream.settings import DataSettings


class SplitName(StrEnum):
    """How ratings are split into train and test."""

    RANDOM = "random"
    TIME = "time"


class Times(StrEnum):
    """What becomes of the ratings' times."""

    IGNORE = "ignore"
    USE = "use"


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
DEFAULT_SHARES = {SplitName.RANDOM: 0.2, SplitName.TIME: 0.333}


def evaluate(
    data: options.Data = None,
    split: Annotated[
        SplitName, typer.Option(help="At random, or the newest ratings as test.")
    ] = SplitName.RANDOM,
    test_share: Annotated[
        float | None,
        typer.Option(
            help="Share of the ratings that is the test.  \\[default: 0.2; by time 0.333]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the random split.")] = 42,
    train_file: Annotated[
        Path | None,
        typer.Option("--train", metavar="FILE", help="Ratings to fit on; films from its folder."),
    ] = None,
    test_file: Annotated[
        Path | None, typer.Option("--test", metavar="FILE", help="Ratings to answer for.")
    ] = None,
    times: Annotated[
        Times | None,
        typer.Option(
            help="Withhold times from fit and question, or not.  \\[default: ignore; by time use]"
        ),
    ] = None,
    rank: Annotated[int | None, typer.Option(min=1, help="Factors of a user and a film.")] = None,
    sweeps: Annotated[int | None, typer.Option(min=2, help="Sweeps of the sampler.")] = None,
    burn_in: Annotated[
        int | None, typer.Option(min=0, help="Sweeps before the first draw that is kept.")
    ] = None,
    draws: Annotated[int | None, typer.Option(min=1, help="Draws that are kept.")] = None,
    config: options.Config = None,
    as_json: options.Json = False,
) -> int:
    """Score what would be served: fit on one part of the ratings, answer for the other. No stream
    is needed.
    """
    settings = open_settings(config, {"data.folder": data})
    if (train_file is None) != (test_file is None):
        raise SettingError("--train and --test go together: name both files")
    if test_share is not None and not 0 < test_share < 1:
        raise SettingError(f"--test-share {test_share:g} is not a share between 0 and 1")
    if train_file is not None and data is not None:
        raise SettingError("name either --data, or --train and --test")

    from reelstream.engines.interface import FEW_DRAWS, FitParameters  # noqa: PLC0415
    from reelstream.evaluation.offline import evaluate as score  # noqa: PLC0415

    default = FitParameters()
    parameters = replace(
        default,
        n_factors=default.n_factors if rank is None else rank,
        sweeps=default.sweeps if sweeps is None else sweeps,
        burn_in=default.burn_in if burn_in is None else burn_in,
        n_draws=default.n_draws if draws is None else draws,
    )
    at_least = parameters.n_draws or FEW_DRAWS
    if parameters.sweeps - parameters.burn_in < at_least:
        raise SettingError(
            f"{parameters.sweeps} sweeps less {parameters.burn_in} of burn-in leave no room for "
            f"{at_least} draws: raise --sweeps or lower --burn-in or --draws"
        )
    if train_file is not None and test_file is not None:
        dataset, parts = _read_files(train_file, test_file, settings.data)
    else:
        dataset, parts = _read_split(
            settings.data, split, test_share or DEFAULT_SHARES[split], seed
        )
    if times is None:
        times = Times.USE if parts.learns_test else Times.IGNORE
    result = score(parts, dataset.read_catalog().catalog, dataset.scale, parameters, times.value)
    if as_json:
        print_json(result.as_dict())
    else:
        _print(result, dataset.name)
    return DONE


def _read_files(train_file: Path, test_file: Path, settings: DataSettings) -> tuple[Dataset, Split]:
    """Two ratings files of any known layout; scale and films are those of the first."""
    from reelstream.datasets import detect_file  # noqa: PLC0415
    from reelstream.evaluation.offline import split_of  # noqa: PLC0415

    dataset = detect_file(train_file)
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings))
    test = detect_file(test_file).with_scale(dataset.scale)
    return dataset, split_of(dataset.read_ratings(), test.read_ratings())


def _read_split(
    settings: DataSettings, split: SplitName, test_share: float, seed: int
) -> tuple[Dataset, Split]:
    """One data set, MovieLens's small one by default, in two parts."""
    from reelstream.datasets import detect, fetch_movielens  # noqa: PLC0415
    from reelstream.evaluation.offline import split_at_random, split_in_time  # noqa: PLC0415

    dataset = detect(settings.folder or fetch_movielens(settings.cache or cache_folder()))
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings))
    ratings = dataset.read_ratings()
    if split is SplitName.TIME:
        return dataset, split_in_time(ratings, test_share)
    return dataset, split_at_random(ratings, test_share, seed)


def _print(result: Evaluation, name: str) -> None:
    columns = [("served", result.scores)]
    if result.live_users is not None and result.static is not None:
        columns = [
            ("served: users and films learn", result.scores),
            ("users learn", result.live_users),
            ("nothing learns", result.static),
        ]
    columns += [(name.replace("_", " "), scores) for name, scores in result.baselines.items()]
    print_table(
        ["", *(label for label, _ in columns)],
        [
            [label, *(getattr(scores, field) for _, scores in columns)]
            for field, label in _FIGURES.items()
        ],
        title=f"{name}: fitted on {result.n_train:,} ratings, asked for {result.n_test:,}",
    )
    typer.echo(
        f"fitted in {result.fit_seconds:.2f} s, after {result.compile_seconds:.2f} s of compilation"
    )
