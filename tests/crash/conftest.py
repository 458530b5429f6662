"""The crash matrix: a line a case, printed behind the tests of `test_kafka_faults.py`."""

from __future__ import annotations

import pytest

MATRIX = "test_kafka_faults.py"


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    """How often something is killed at random."""
    return int(request.config.getoption("--kills"))


@pytest.fixture
def ratings(request: pytest.FixtureRequest) -> int:
    """How many ratings stream meanwhile."""
    return int(request.config.getoption("--ratings"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A case is called what its docstring says."""
    for item in items:
        if item.path.name == MATRIX and isinstance(item, pytest.Function):
            item.user_properties.append(
                ("case", (item.function.__doc__ or "").strip().split("\n")[0])
            )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print every case with its outcome; cases of one test in one line."""
    lines: dict[str, list[pytest.TestReport]] = {}
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        case = dict(report.user_properties).get("case")
        if case is not None:
            lines.setdefault(str(case), []).append(report)
    if not lines:
        return
    terminalreporter.section("crash matrix: each row exactly once, audit clean")
    for case, reports in lines.items():
        failed = sum(report.failed for report in reports)
        outcome = (
            f"{failed} of {len(reports)} failed"
            if failed
            else "ok"
            if len(reports) == 1
            else f"ok ({len(reports)})"
        )
        seconds = sum(report.duration for report in reports)
        details = [
            str(value)
            for report in reports
            for name, value in report.user_properties
            if name == "detail"
        ]
        terminalreporter.write_line(f"{outcome:<8} {seconds:6.1f} s  {' '.join([case, *details])}")
