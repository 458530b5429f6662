"""What `reelstream evaluate` does, apart from its options: this takes long to import."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from reelstream.cli.dataset_factories import cache_folder, named_columns
from reelstream.cli.evaluate_options import FitOptions, SplitOptions
from reelstream.cli.factories import rating_scale
from reelstream.cli.notices import print_notice
from reelstream.datasets import Dataset, detect, detect_file, fetch_movielens
from reelstream.datasets.inspection import count_reasons
from reelstream.engines.interface import DRAWS, SWEEPS, FitParameters
from reelstream.engines.local import fit_for_evaluation
from reelstream.errors import DatasetError, SettingError
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
    evaluate_ranking_for_anonymous_users,
    evaluate_ranking_in_time,
)
from reelstream.ratings.columns import EventColumns
from reelstream.settings import DataSettings

DEFAULT_TEST_SHARES = {"random": 0.2, "time": 0.333, "users": 0.1}


def evaluate_split(
    settings: DataSettings, options: SplitOptions, fit: FitOptions, *, is_strict: bool
) -> tuple[str, Evaluation, int]:
    """The data set's name, the scores, and how many rows were rejected; if `is_strict`, the first
    is an error. Raises SettingError, DatasetError and FitError.
    """
    parameters = _fit_parameters(fit)
    reader = _Reader(is_strict)
    if options.train is not None and options.test is not None:
        dataset, split = _read_files(options.train, options.test, settings, reader)
    else:
        dataset, split = _read_split(settings, options, reader)
    times = options.times or ("use" if split.learns_test else "ignore")
    catalog = dataset.read_catalog().catalog
    fit_ratings = fit_for_evaluation(catalog, dataset.scale, parameters)
    result = evaluate(split, catalog, dataset.scale, fit_ratings, times)
    return dataset.name, result, reader.rejected


class _Reader:
    """Reads ratings as the stream does, and counts what it rejects."""

    def __init__(self, is_strict: bool) -> None:
        self.rejected = 0
        self._is_strict = is_strict

    def read(self, dataset: Dataset) -> EventColumns:
        """The ratings. Raises DatasetError when all rows are rejected or, if strict, one is."""
        if self._is_strict:
            return dataset.read_ratings()
        ratings, rejected = dataset.read_accepted()
        self.rejected += len(rejected)
        if rejected:
            rows = len(ratings) + len(rejected)
            kinds = count_reasons(rejected, dataset)
            notice = (
                f"{len(rejected):,} of {rows:,} rows of {dataset.ratings} are rejected, most of "
                f"them because {kinds[0].reason}"
            )
            if not len(ratings):
                raise DatasetError(notice)
            print_notice(notice)
        return ratings


def evaluate_ranking(
    settings: DataSettings, options: SplitOptions, fit: FitOptions, *, is_strict: bool
) -> tuple[str, RankingEvaluation, int]:
    """The data set's name, the scores of recommendations, and how many rows were rejected. Raises
    SettingError, DatasetError and FitError.
    """
    reader = _Reader(is_strict)
    dataset, ratings = _read_dataset(settings, reader)
    catalog, scale = dataset.read_catalog().catalog, dataset.scale
    fit_ratings = fit_for_evaluation(catalog, scale, _fit_parameters(fit))
    by = options.split or "time"
    share = options.test_share or DEFAULT_TEST_SHARES[by]
    if by == "users":
        result = evaluate_ranking_for_anonymous_users(
            ratings, share, options.seed, catalog, scale, fit_ratings
        )
    else:
        result = evaluate_ranking_in_time(ratings, share, catalog, scale, fit_ratings)
    return dataset.name, result, reader.rejected


def _fit_parameters(options: FitOptions) -> FitParameters:
    given = {
        "n_factors": options.factors,
        "sweeps": options.sweeps,
        "burn_in": options.burn_in,
        "n_draws": options.draws,
    }
    changed: Any = {name: value for name, value in given.items() if value is not None}
    parameters = replace(FitParameters(), **changed)
    sweeps, draws = parameters.sweeps or SWEEPS, parameters.n_draws or DRAWS
    if sweeps - parameters.burn_in < draws:
        raise SettingError(
            f"{sweeps} sweeps less {parameters.burn_in} of burn-in leave no room for "
            f"{draws} draws: raise --sweeps or lower --burn-in or --draws"
        )
    return parameters


def _read_files(
    train: Path, test: Path, settings: DataSettings, reader: _Reader
) -> tuple[Dataset, Split]:
    """Two ratings files of any known layout; scale and films are those of the first."""
    columns = named_columns(settings)
    dataset = detect_file(train, columns)
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings))
    # Not the test file's own scale: a small one may lack the lowest or highest rating.
    test_set = detect_file(test, columns).with_scale(dataset.scale)
    return dataset, split_of(reader.read(dataset), reader.read(test_set))


def _read_split(
    settings: DataSettings, options: SplitOptions, reader: _Reader
) -> tuple[Dataset, Split]:
    """One data set, MovieLens's small one by default, in two parts."""
    dataset, ratings = _read_dataset(settings, reader)
    by = options.split or "random"
    share = options.test_share or DEFAULT_TEST_SHARES[by]
    if by == "time":
        return dataset, split_in_time(ratings, share)
    return dataset, split_at_random(ratings, share, options.seed)


def _read_dataset(settings: DataSettings, reader: _Reader) -> tuple[Dataset, EventColumns]:
    folder = settings.folder or fetch_movielens(settings.cache or cache_folder())
    dataset = detect(folder, named_columns(settings))
    dataset = dataset.with_scale(rating_scale(dataset.scale, settings))
    return dataset, reader.read(dataset)
