"""What may be said to Kafka's client, and what is shown of it. No broker is needed for this."""

import pytest

from kafka_cluster import free_ports
from reelstream.broker import open_broker
from reelstream.broker.kafka_settings import MASK, KafkaSettings
from reelstream.errors import BrokerError, SettingError

URL = "kafka://one:9092,two:9092"
SECRETS = {
    "sasl.password": "hunter2",
    "ssl.key.password": "hunter3",
    "ssl.key.pem": "-----BEGIN PRIVATE KEY-----",
    "sasl.oauthbearer.client.secret": "hunter4",
}


def test_what_is_given_reaches_every_client() -> None:
    """A setting of the person's own comes before ours, in clients that ask, send and read."""
    settings = KafkaSettings(
        URL, {"client.id": "mine", "sasl.mechanism": "PLAIN", "linger.ms": "77"}
    )
    for told in (settings.client(), settings.producer(0.005), settings.consumer()):
        assert told["bootstrap.servers"] == "one:9092,two:9092"
        assert told["client.id"] == "mine"
        assert told["sasl.mechanism"] == "PLAIN"
    assert settings.producer(0.0)["linger.ms"] == "77"


@pytest.mark.parametrize("linger_seconds", [0.0, 0.005])
def test_lingering_is_the_senders_choice(linger_seconds: float) -> None:
    """Who answers a person does not wait for others to be sent with."""
    assert KafkaSettings(URL, {}).producer(linger_seconds)["linger.ms"] == 1000 * linger_seconds


@pytest.mark.parametrize(
    "name",
    [
        "acks",
        "enable.idempotence",
        "isolation.level",
        "partitioner",
        "message.timeout.ms",
        "auto.offset.reset",
    ],
)
def test_what_delivery_rests_on_cannot_be_set(name: str) -> None:
    """It is refused by name, with the reason."""
    with pytest.raises(SettingError, match=f"kafka.{name} cannot be changed: "):
        KafkaSettings(URL, {name: "1"})


def test_secrets_are_masked() -> None:
    """Passwords, secrets and keys are neither in what a log shows nor in an error that quotes
    them.
    """
    settings = KafkaSettings(URL, {"sasl.username": "me", **SECRETS})
    assert settings.masked() == {"sasl.username": "me"} | dict.fromkeys(SECRETS, MASK)
    text = settings.without_secrets(f"me has a wrong password: {'; '.join(SECRETS.values())}")
    assert text == f"me has a wrong password: {'; '.join([MASK] * 4)}"


@pytest.mark.parametrize(
    "url", ["kafka://", "kafka://host:port", "kafka://host:1,", "kafka://host:1/path", "kafka:host"]
)
def test_url_that_names_no_servers_is_refused(url: str) -> None:
    """It says how such a URL is written."""
    with pytest.raises(SettingError, match="kafka://"):
        open_broker(url)


def test_password_in_the_url_is_refused() -> None:
    """The URL is written into the work folder."""
    with pytest.raises(SettingError, match=r"kafka\.sasl\.password"):
        open_broker("kafka://me:hunter2@host:9092")


def test_setting_that_the_client_does_not_know_is_named() -> None:
    """A typing error is wrong usage, before anything is connected."""
    with pytest.raises(SettingError, match=r"sasl\.mechanizm"):
        open_broker("kafka://localhost:1", {"sasl.mechanizm": "PLAIN"})


@pytest.mark.slow
def test_broker_that_does_not_answer_is_one_sentence() -> None:
    """Where nobody listens, address and reason are said, and what to do."""
    (port,) = free_ports(1)
    with pytest.raises(
        BrokerError, match=rf"127\.0\.0\.1:{port} cannot be reached .*refused.*make kafka.*--broker"
    ) as no:
        open_broker(f"kafka://127.0.0.1:{port}")
    assert "\n" not in str(no.value)
