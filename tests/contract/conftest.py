"""Every log keeps one contract: a fixture a log, one suite for all."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reelstream.broker import open_broker
from reelstream.broker.interface import Broker


@pytest.fixture(params=["sqlite"])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a log that is fresh for this test."""
    return {"sqlite": f"sqlite:{tmp_path / 'log.db'}"}[request.param]


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    with open_broker(broker_url) as opened:
        yield opened


@pytest.fixture
def topic(broker: Broker) -> str:
    """A topic of three partitions."""
    broker.ensure_topic("ratings", 3)
    return "ratings"
