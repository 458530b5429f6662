"""How a Kafka cluster is reached: its clients' settings, their log, and their errors as ours."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from reelstream.broker.kafka_settings import KafkaSettings
from reelstream.errors import BrokerError, SettingError

# How long a cluster may take to answer at first.
OPEN_SECONDS = 5.0
# Between two tries of what may pass.
PAUSE_SECONDS = 0.1

# Errors that end by themselves: a broker starts, or another one becomes leader.
PASSING_ERRORS = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.NOT_CONTROLLER,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._WAIT_COORD,
}
_UNREACHABLE = {
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError._TIMED_OUT_QUEUE,
    KafkaError._RESOLVE,
    KafkaError.REQUEST_TIMED_OUT,
}
_IDENTITY = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
}
_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_AFTER_STATE = re.compile(r" \(after \d+ms in state \w+.*\)$")

Client = TypeVar("Client")
log = structlog.get_logger()


class KafkaCluster:
    """How a cluster is reached: its clients' settings, their last error, and errors translated."""

    def __init__(self, url: str, settings: Mapping[str, str]) -> None:
        self.url = url
        self.settings = KafkaSettings(url, settings)
        self.is_open = False
        self._last_error: KafkaError | None = None

    def create(self, client: Callable[..., Client], settings: Mapping[str, object]) -> Client:
        """A client; raises SettingError for a setting that it does not take."""
        try:
            return client({**settings, "error_cb": self._note_error}, logger=self)
        except (KafkaException, TypeError, ValueError) as error:
            text = error.args[0].str() if isinstance(error, KafkaException) else str(error)
            raise SettingError(
                f"a setting of kafka.* is wrong: {self.settings.without_secrets(text)}"
            ) from error

    def await_answer(self, admin: AdminClient) -> None:
        """Return when a broker has answered. Raises BrokerError when none does, or when it does not
        know us.
        """
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            try:
                admin.list_topics(timeout=OPEN_SECONDS / 10)
            except KafkaException as error:
                admin.poll(0)  # calls `_note_error`, which knows more than a time-out
                known = self._last_error is not None and self._last_error.code() in _IDENTITY | {
                    KafkaError._SSL
                }
                # Waiting helps while a broker starts, not against a wrong password.
                if known or time.monotonic() > deadline:
                    raise self.refusal(error.args[0]) from error
            else:
                self.is_open = True
                return

    def refusal(self, error: KafkaError) -> BrokerError:
        """A foreign error as one of ours; the client's last error says more than a time-out."""
        if error.code() in _UNREACHABLE and self._last_error is not None:
            error = self._last_error
        text = self.settings.without_secrets(_AFTER_STATE.sub("", error.str()))
        code = error.code()
        if code in _UNREACHABLE:
            advice = (
                "start a broker there (`make kafka` starts one on this machine), or check --broker"
            )
            return BrokerError(f"the log {self.url} cannot be reached ({text}): {advice}")
        if code in _IDENTITY:
            advice = (
                "check kafka.security.protocol, kafka.sasl.mechanism, kafka.sasl.username and"
                " kafka.sasl.password"
            )
            return BrokerError(f"the log {self.url} does not know us ({text}): {advice}")
        if code == KafkaError._SSL:
            advice = "check kafka.security.protocol and kafka.ssl.ca.location"
            return BrokerError(
                f"the log {self.url} and its client do not trust each other ({text}): {advice}"
            )
        if code in _RIGHTS:
            return BrokerError(
                f"the log {self.url} does not allow us to do this ({text}): ask its owner for the"
                " rights"
            )
        return BrokerError(f"the log {self.url}: {text}")

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Take a line of a client's own log; errors come by `error_cb` as well."""
        # Every client gets all settings, also those for the others, and warns of each.
        if "CONFWARN" not in arguments:
            log.debug(
                "kafka_client", level=level, text=self.settings.without_secrets(text % arguments)
            )

    def _note_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and self._last_error is not None:
            return  # an error of one broker says more
        is_new = self._last_error is None or self._last_error.code() != error.code()
        self._last_error = error
        if self.is_open and is_new:
            log.warning("kafka_client_error", reason=self.settings.without_secrets(error.str()))
