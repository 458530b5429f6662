"""`reelstream evaluate`: the flags reach the evaluation, and its figures the person."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Command

QUICK = ("--sweeps", 12, "--burn-in", 4, "--factors", 3)
FIGURES = {
    *("rmse", "mae", "auc", "log_loss", "log_likelihood", "ece", "coverage_1sd", "coverage_2sd"),
    *("fit_seconds", "compile_seconds", "n_train", "n_test", "baselines"),
}


@pytest.mark.slow
def test_the_random_split_is_one_line_of_json(command: Command, small_dataset: Path) -> None:
    """Every figure of the contract, and the shares asked for."""
    answer = command("evaluate", "--data", small_dataset, *QUICK, "--json")
    assert answer.code == 0
    assert set(answer.json) >= FIGURES
    assert (answer.json["n_train"], answer.json["n_test"]) == (2400, 600)


@pytest.mark.slow
def test_the_time_split_scores_with_and_without_live_learning(
    command: Command, small_dataset: Path
) -> None:
    """A table for a person holds both."""
    arguments = (
        "evaluate",
        "--data",
        small_dataset,
        "--split",
        "time",
        "--test-share",
        0.5,
        *QUICK,
    )
    assert {"static", "live_users"} <= set(command(*arguments, "--json").json)
    table = command(*arguments).out
    assert "RMSE" in table
    assert "1,500" in table


def test_two_files_are_train_and_test(
    command: Command, small_dataset: Path, tmp_path: Path
) -> None:
    """--train and --test take the split as it is."""
    lines = (small_dataset / "ratings.csv").read_text().splitlines(keepends=True)
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("".join(lines[:2501]))
    test.write_text(lines[0] + "".join(lines[2501:]))
    answer = command("evaluate", "--train", train, "--test", test, *QUICK, "--json")
    assert (answer.json["n_train"], answer.json["n_test"]) == (2500, 500)
