"""`reelstream doctor`: faults are found, and named with what to do."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import Command

from reelstream.broker import kafka_cluster, open_broker
from reelstream.cli import checks
from reelstream.storage.work_folder import WorkFolder

NAMES = {
    "python",
    "java",
    "disk",
    "memory",
    "permissions",
    "log",
    "data",
    "compiled functions",
    "clock",
}


def faults(answer: Any) -> dict[str, str]:
    """Check -> what to do, of the faults."""
    return {each["check"]: each["fix"] for each in answer["findings"] if each["verdict"] == "fault"}


def doctor(command: Command, *arguments: object) -> Any:
    answer = command("doctor", "--port", 0, "--ui-port", 0, "--json", *arguments)
    assert answer.code == (1 if answer.json["faults"] else 0)
    return answer.json


def test_a_sound_machine_has_no_fault(command: Command) -> None:
    """Everything is looked at, and nothing is left behind."""
    found = doctor(command)
    assert faults(found) == {}
    assert {each["check"] for each in found["findings"]} >= NAMES
    assert list(Path.cwd().iterdir()) == []
    assert "nothing stops a run" in command("doctor", "--port", 0, "--ui-port", 0).out


def test_a_port_of_another_program_is_a_fault(command: Command) -> None:
    """Its fix names the option that takes another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        found = command("doctor", "--port", port, "--ui-port", 0, "--json").json
    assert "--port" in faults(found)[f"port {port}"]


def test_a_log_without_its_topic_is_a_fault(command: Command) -> None:
    """And a sound one is none."""
    binding = WorkFolder(Path("work")).bind()
    with open_broker(binding.broker) as broker:
        assert faults(doctor(command)).keys() == {"log"}
        broker.ensure_topic("ratings", 1)
    assert faults(doctor(command)) == {}


def test_a_data_set_that_is_none_is_a_fault(command: Command) -> None:
    """Nothing is downloaded in its place."""
    assert faults(doctor(command, "--data", "nowhere")).keys() == {"data"}


def test_a_clock_that_is_behind_is_a_fault(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This program cannot have been written in the future."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert faults(doctor(command)).keys() == {"clock"}


def test_a_folder_without_hard_links_is_a_fault(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches could not be published there; the probe is removed all the same."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert faults(doctor(command)).keys() == {"permissions"}
    assert list(Path.cwd().iterdir()) == []


def test_what_some_uses_need_is_a_note(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Java and extras a run works: exit code 0, and how to install them."""
    monkeypatch.setattr(checks, "find_spec", lambda _: None)
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    found = doctor(command)
    notes = {each["check"]: each["fix"] for each in found["findings"] if each["verdict"] == "note"}
    assert notes.keys() >= {"java", "package ui", "package kafka", "package spark"}
    assert "reelstream[kafka]" in notes["package kafka"]


def test_a_broker_that_does_not_answer_is_a_fault(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before there is a work folder; and none is made."""
    monkeypatch.setattr(kafka_cluster, "OPEN_SECONDS", 0.5)
    found = doctor(command, "--broker", "kafka://127.0.0.1:1")
    assert "--broker" in faults(found)["log"]
    assert list(Path.cwd().iterdir()) == []
