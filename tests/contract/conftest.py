"""Every log keeps one contract: a fixture a log, one suite for all."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from kafka_cluster import KAFKA_MARKS
from reelstream.broker import open_broker
from reelstream.broker.interface import Broker


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=KAFKA_MARKS)])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each log."""
    if request.param == "kafka":
        return str(request.getfixturevalue("kafka_url"))
    return f"sqlite:{tmp_path / 'log.db'}"


@pytest.fixture
def broker(broker_url: str) -> Iterator[Broker]:
    with open_broker(broker_url) as opened:
        yield opened


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Names of topics and groups that nobody has used: the logs may be shared."""
    return lambda: f"t{uuid4().hex}"


@pytest.fixture
def topic(broker: Broker, new_name: Callable[[], str]) -> str:
    """A topic of three partitions."""
    name = new_name()
    broker.ensure_topic(name, 3)
    return name
