"""What `reelstream evaluate` does, apart from its options: this takes long to import."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from reelstream.cli.dataset_factories import cache_folder, named_columns
from reelstream.cli.evaluate import FitOptions, SplitOptions
from reelstream.cli.factories import rating_scale
from reelstream.datasets import Dataset, detect, detect_file, fetch_movielens
from reelstream.engines.interface import FEW_DRAWS, FitParameters
from reelstream.engines.local import fit_for_evaluation
from reelstream.errors import SettingError
from reelstream.evaluation.offline import (
    Evaluation,
    Split,
    evaluate,
    split_at_random,
    split_in_time,
    split_of,
)
from reelstream.evaluation.offline_ranking import (
    RankingEvaluation,
    evaluate_ranking_for_strangers,
    evaluate_ranking_in_time,
)
from reelstream.ratings.columns import EventColumns
from reelstream.settings import DataSettings

DEFAULT_TEST_SHARES = {"random": 0.2, "time": 0.333, "users": 0.1}


def evaluate_split(
    settings: DataSettings, options: SplitOptions, fit: FitOptions
) -> tuple[str, Evaluation]:
    """The data set's name, and the scores. Raises SettingError, DatasetError and FitError."""
    parameters = _fit_parameters(fit)
    if options.train is not None and options.test is not None:
        dataset, split = _read_files(options.train, options.test, settings)
    else:
        dataset, split = _read_split(settings, options)
    times = options.times or ("use" if split.learns_test else "ignore")
    catalog = dataset.read_catalog().catalog
    fit_ratings = fit_for_evaluation(catalog, dataset.scale, parameters)
    return dataset.name, evaluate(split, catalog, dataset.scale, fit_ratings, times)


def evaluate_ranking(
    settings: DataSettings, options: SplitOptions, fit: FitOptions
) -> tuple[str, RankingEvaluation]:
    """The data set's name, and the scores of recommendations. Raises SettingError, DatasetError and
    FitError.
    """
    dataset, ratings = _read_dataset(settings)
    catalog, scale = dataset.read_catalog().catalog, dataset.scale
    fit_ratings = fit_for_evaluation(catalog, scale, _fit_parameters(fit))
    by = options.split or "time"
    share = options.test_share or DEFAULT_TEST_SHARES[by]
    if by == "users":
        result = evaluate_ranking_for_strangers(
            ratings, share, options.seed, catalog, scale, fit_ratings
        )
    else:
        result = evaluate_ranking_in_time(ratings, share, catalog, scale, fit_ratings)
    return dataset.name, result


def _fit_parameters(options: FitOptions) -> FitParameters:
    given = {
        "n_factors": options.factors,
        "sweeps": options.sweeps,
        "burn_in": options.burn_in,
        "n_draws": options.draws,
    }
    changed: Any = {name: value for name, value in given.items() if value is not None}
    parameters = replace(FitParameters(), **changed)
    draws = parameters.n_draws or FEW_DRAWS
    if parameters.sweeps - parameters.burn_in < draws:
        raise SettingError(
            f"{parameters.sweeps} sweeps less {parameters.burn_in} of burn-in leave no room for "
            f"{draws} draws: raise --sweeps or lower --burn-in or --draws"
        )
    return parameters


def _read_files(train: Path, test: Path, settings: DataSettings) -> tuple[Dataset, Split]:
    """Two ratings files of any known layout; scale and films are those of the first."""
    columns = named_columns(settings)
    dataset = detect_file(train, columns)
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings))
    # Not the test file's own scale: a small one may lack the lowest or highest rating.
    test_set = detect_file(test, columns).with_scale(dataset.scale)
    return dataset, split_of(dataset.read_ratings(), test_set.read_ratings())


def _read_split(settings: DataSettings, options: SplitOptions) -> tuple[Dataset, Split]:
    """One data set, MovieLens's small one by default, in two parts."""
    dataset, ratings = _read_dataset(settings)
    by = options.split or "random"
    share = options.test_share or DEFAULT_TEST_SHARES[by]
    if by == "time":
        return dataset, split_in_time(ratings, share)
    return dataset, split_at_random(ratings, share, options.seed)


def _read_dataset(settings: DataSettings) -> tuple[Dataset, EventColumns]:
    folder = settings.folder or fetch_movielens(settings.cache or cache_folder())
    dataset = detect(folder, named_columns(settings))
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings))
    return dataset, dataset.read_ratings()
