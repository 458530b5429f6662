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


def test_rejected_rows_are_counted_or_stop(
    command: Command, small_dataset: Path, tmp_path: Path
) -> None:
    """As the stream does; `--strict` stops at the first and names its line."""
    lines = (small_dataset / "ratings.csv").read_text().splitlines()
    data = tmp_path / "ratings.csv"
    data.write_text("\n".join([lines[0], "1,2,0,3", *lines[1:600], "1,x,3,3", "1,3,0,3"]))
    answer = command("evaluate", "--data", data, *QUICK, "--json")
    assert (answer.json["rejected"], answer.json["n_train"]) == (3, 479)
    assert "3 of 602 rows" in answer.err
    assert "unrated" in answer.err
    strict = command("evaluate", "--data", data, "--strict", *QUICK)
    assert strict.code == 2
    assert "line 2" in strict.err
    data.write_text(f"{lines[0]}\n1,2,0,3\n")
    assert command("evaluate", "--data", data, *QUICK).code == 2
