"""How Kafka's client library is set: what delivery rests on, what is only good, and what nobody may
read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from reelstream.errors import SettingError

MAX_RECORD_BYTES = 8 * 1024**2
MASK = "********"

# Of a topic that is made here; one that exists stays as it is.
TOPIC = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",  # what no batch holds yet must not go away by itself
    "max.message.bytes": str(MAX_RECORD_BYTES + 1024**2),
    # a record's time is when it entered the log, whatever its sender says
    "message.timestamp.type": "LogAppendTime",
}


class _Decided(NamedTuple):
    value: str | bool | int | None
    """None: it is not set at all."""
    because: str


_PRODUCER_DECIDED = {
    "acks": _Decided("all", "a rating is safe when every replica has it"),
    "enable.idempotence": _Decided(True, "without it a retry could double a rating"),
    "enable.gapless.guarantee": _Decided(
        True, "without it a failure could lose a rating between two others"
    ),
    "message.timeout.ms": _Decided(0, "a record that is given up would be a gap before the next"),
    "partitioner": _Decided(
        "murmur2_random", "every client must find the same partition for a user"
    ),
    "delivery.report.only.error": _Decided(True, "flush answers for the others"),
}
_CONSUMER_DECIDED = {
    "isolation.level": _Decided("read_committed", "what a transaction took back is no rating"),
    "enable.auto.commit": _Decided(False, "offsets are committed after a batch's manifest"),
    "enable.auto.offset.store": _Decided(False, "offsets are committed after a batch's manifest"),
    "enable.partition.eof": _Decided(True, "it tells a reader how far a partition goes"),
    "auto.offset.reset": _Decided("error", "records that are gone must be an error, not a gap"),
}
_NEVER = {
    "bootstrap.servers": _Decided(None, "--broker names them"),
    "metadata.broker.list": _Decided(None, "--broker names the servers"),
    "transactional.id": _Decided(None, "batch files are exactly once without transactions"),
    "request.required.acks": _Decided(None, "a rating is safe when every replica has it"),
    "delivery.timeout.ms": _Decided(
        None, "a record that is given up would be a gap before the next"
    ),
}
_DECIDED = _PRODUCER_DECIDED | _CONSUMER_DECIDED | _NEVER

_CLIENT: dict[str, str | bool | int] = {
    "client.id": "reelstream",
    "socket.nagle.disable": True,
    "reconnect.backoff.max.ms": 1_000,
    "topic.metadata.refresh.interval.ms": 10_000,
}
_PRODUCER: dict[str, str | bool | int] = {
    "compression.codec": "lz4",
    "message.max.bytes": MAX_RECORD_BYTES,
    "queue.buffering.max.messages": 500_000,
}
_CONSUMER: dict[str, str | bool | int] = {
    "group.id": "reelstream-reader",  # never joined: offsets are named, not handed out
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 100,
    "fetch.error.backoff.ms": 100,
}
# Settings whose name begins so are those of the client of a schema registry.
_REGISTRY = "schema.registry."
_SECRET = re.compile(r"password|passphrase|secret|user\.info$|\.pem$|oauthbearer\.config$|token$")


class KafkaSettings:
    """What one cluster's clients are told."""

    def __init__(self, url: str, given: Mapping[str, str]) -> None:
        """Raises SettingError for a URL that names no servers, and for a setting that delivery
        decides.
        """
        for name in given:
            if decided := _DECIDED.get(name):
                raise SettingError(f"setting kafka.{name} cannot be changed: {decided.because}")
        self._given = {
            name: value for name, value in given.items() if not name.startswith(_REGISTRY)
        }
        self.registry = {
            name.removeprefix(_REGISTRY): value
            for name, value in given.items()
            if name.startswith(_REGISTRY)
        }
        """Of the client of a schema registry; empty without one."""
        if self.registry and "url" not in self.registry:
            raise SettingError(f"{_REGISTRY}* is set, but not kafka.{_REGISTRY}url")
        self._servers = bootstrap_servers(url)

    def client(self) -> dict[str, object]:
        """Of the admin client, which queries and creates topics."""
        return {**_CLIENT, **self._given, "bootstrap.servers": self._servers}

    def producer(self, linger_seconds: float) -> dict[str, object]:
        """Of one that sends."""
        decided = {name: each.value for name, each in _PRODUCER_DECIDED.items()}
        return {**_PRODUCER, "linger.ms": linger_seconds * 1000, **self.client(), **decided}

    def consumer(self) -> dict[str, object]:
        """Of one that reads."""
        return {
            **_CONSUMER,
            **self.client(),
            **{name: each.value for name, each in _CONSUMER_DECIDED.items()},
        }

    def masked(self) -> dict[str, str]:
        """What was given, as a log may show it."""
        return {name: MASK if _SECRET.search(name) else value for name, value in self._all()}

    def without_secrets(self, text: str) -> str:
        """A message of the client, which may quote a value that it did not understand."""
        for name, value in self._all():
            if value and _SECRET.search(name):
                text = text.replace(value, MASK)
        return text

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from self._given.items()
        for name, value in self.registry.items():
            yield _REGISTRY + name, value


def bootstrap_servers(url: str) -> str:
    """`HOST:PORT,HOST:PORT` of `kafka://HOST:PORT,HOST:PORT`. Raises SettingError for anything
    else.
    """
    servers = url.removeprefix("kafka://").removesuffix("/")
    if "@" in servers:
        raise SettingError(
            "--broker: a URL is written into the work folder, so it cannot hold a password: "
            "set kafka.sasl.username and kafka.sasl.password"
        )
    for server in servers.split(","):
        if not re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?", server):
            raise SettingError(
                f"--broker {url!r}: {server!r} is not HOST:PORT: write kafka://localhost:9092"
            )
    return servers
