"""What the commands look at before they start anything."""

from __future__ import annotations

import builtins
import re
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reelstream import broker
from reelstream.broker import open_broker
from reelstream.cli import preflight
from reelstream.cli.preflight import check_page, check_tracing, free_port
from reelstream.cli.training_factories import open_engine
from reelstream.errors import MissingExtraError, SettingError
from reelstream.settings import load

PROJECT = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())[
    "project"
]


def test_a_port_in_use_is_one_sentence() -> None:
    """It names the port, the host and the way out; and it is free again when nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            SettingError, match=rf"^port {port} of 127\.0\.0\.1 .*: stop what uses it, .* --port$"
        ):
            free_port("127.0.0.1", port, "--port")
    assert free_port("127.0.0.1", port, "--port") == port


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_that_is_not_here_is_one_sentence(host: str) -> None:
    """Then the port is not to blame."""
    with pytest.raises(
        SettingError, match=rf"^port 5000 of {host} .*: name an address of this machine$"
    ):
        free_port(host, 5000, "--port")


def test_zero_takes_any_free_port() -> None:
    """Also by name, and in IPv6."""
    assert free_port("localhost", 0, "--port") > 0
    assert free_port("::", 0, "--port") > 0


def no_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find_spec", lambda _: None)
    open_broker("kafka://localhost:9092")


def no_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "reelstream.engines.spark.engine":
            raise ModuleNotFoundError("No module named 'pyspark'", name="pyspark")
        return original(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    open_engine(load(None, {"train.engine": "spark"}))


def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda name: None if name == "altair" else object())
    check_page()


def no_tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str) -> None:
        # As find_spec does where not even the package above is there.
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(preflight, "find_spec", find)
    check_tracing()


@pytest.mark.parametrize("ask", [no_kafka, no_spark, no_page, no_tracing])
def test_a_missing_extra_is_named_with_its_command(
    ask: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is right in a checkout, and what is right elsewhere; the extra is one that the project
    has.
    """
    with pytest.raises(MissingExtraError, match="`make venv`") as missing:
        ask(monkeypatch)
    (extra,) = re.findall(r"`pip install 'reelstream\[(\w+)\]'`", str(missing.value))
    assert extra in PROJECT["optional-dependencies"]
