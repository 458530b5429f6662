"""Logs for a person, and for a machine."""

import json
from collections.abc import Iterator

import pytest
import structlog

from reelstream.telemetry import configure_logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_json_lines_carry_event_keys_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine reads one object a line, on stderr."""
    configure_logs("json")
    structlog.get_logger().warning("batch_closed", number=3)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["number"], line["level"]) == ("batch_closed", 3, "warning")
    assert "timestamp" in line


def test_a_person_reads_event_and_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain text on stderr, and nothing on stdout, which belongs to the answer."""
    configure_logs()
    structlog.get_logger().info("batch_closed", number=3)
    output = capsys.readouterr()
    assert "batch_closed" in output.err
    assert "number" in output.err
    assert output.out == ""
