"""The log: an embedded one on SQLite, or Kafka, behind one interface."""

from __future__ import annotations

from pathlib import Path

from reelstream.broker.interface import Broker
from reelstream.errors import SettingError


def open_broker(url: str) -> Broker:
    """The log that `url` names, to be used in `with`; `sqlite:PATH` is made if it does not exist.

    Raises SettingError for a URL that names no log, BrokerError when the log cannot be opened.
    """
    scheme, colon, rest = url.partition(":")
    if scheme == "sqlite" and rest:
        from reelstream.broker.sqlite import SqliteBroker  # noqa: PLC0415  (a log is imported when it is used)

        return SqliteBroker(Path(rest))
    if not colon or not rest:
        raise SettingError(f"--broker {url!r} is not a broker URL: write sqlite:PATH, for example sqlite:work/log.db")
    raise SettingError(f"--broker {url!r}: this version has no log for {scheme!r}: write sqlite:PATH")
