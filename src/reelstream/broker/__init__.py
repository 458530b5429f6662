"""The log: an embedded one on SQLite, or Kafka, with one interface."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from reelstream.broker.interface import Broker
from reelstream.errors import MissingExtraError, SettingError, how_to_install


def open_broker(url: str, kafka: Mapping[str, str] | None = None) -> Broker:
    """The log that `url` names, to be used in `with`; `sqlite:PATH` is made if it does not exist.

    `kafka` holds settings of the client library for `kafka://HOST:PORT,...`. Raises SettingError
    for a URL that names no log, MissingExtraError, and BrokerError when the log cannot be opened.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        from reelstream.broker.sqlite import SqliteBroker  # noqa: PLC0415  (a log is imported when it is used)

        return SqliteBroker(Path(rest))
    if scheme == "kafka" and rest.startswith("//"):
        if find_spec("confluent_kafka") is None:
            raise MissingExtraError(
                f"Kafka needs its client: {how_to_install('kafka')}; or use the embedded log"
            )
        from reelstream.broker.kafka import KafkaBroker  # noqa: PLC0415

        return KafkaBroker(url, kafka or {})
    if not colon or not rest:
        raise SettingError(
            f"--broker {url!r} is not a broker URL: write sqlite:PATH or kafka://HOST:PORT, for"
            " example sqlite:work/log.db"
        )
    raise SettingError(
        f"--broker {url!r}: there is no log for {scheme!r}: write sqlite:PATH or kafka://HOST:PORT"
    )
