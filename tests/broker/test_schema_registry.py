"""Messages of serializers with a schema registry, which is a server of these tests' own."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fastavro
import numpy as np
import pytest
from confluent_kafka import Producer
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from kafka_cluster import KafkaCluster
from reelstream.broker.kafka_settings import MASK, KafkaSettings
from reelstream.broker.schema_registry import SchemaRegistry
from reelstream.errors import BrokerError, RatingError, SettingError
from reelstream.ratings.events import Deleted, Event, Rated
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.wire import decode_message
from streams import Stream

TIME = 1_700_000_000
AVRO_FIELDS = [
    {"name": "userId", "type": "long"},
    {"name": "movieId", "type": "long"},
    {"name": "rating", "type": ["null", "double"]},
    {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
]
AVRO = {"type": "record", "name": "Rating", "fields": AVRO_FIELDS}
AVRO_NUMBER, JSON_NUMBER, PROTOBUF_NUMBER, UNKNOWN_NUMBER, NO_RECORD_NUMBER = 1, 2, 3, 4, 5


def protobuf_file() -> FileDescriptorProto:
    """Its ratings are the second message, so that their place has to be read."""
    file = FileDescriptorProto(name="rating.proto", syntax="proto3")
    file.message_type.add(name="Other")
    rating = file.message_type.add(name="Rating")
    field = FieldDescriptorProto
    for number, (name, kind) in enumerate(
        [
            ("user_id", field.TYPE_INT64),
            ("movie_id", field.TYPE_INT64),
            ("rating", field.TYPE_DOUBLE),
            ("timestamp", field.TYPE_INT64),
        ],
        start=1,
    ):
        rating.field.add(name=name, number=number, type=kind, label=field.LABEL_OPTIONAL)
    return file


SCHEMAS: dict[int, dict[str, str]] = {
    AVRO_NUMBER: {"schema": json.dumps(AVRO)},
    JSON_NUMBER: {"schemaType": "JSON", "schema": '{"type":"object"}'},
    PROTOBUF_NUMBER: {
        "schemaType": "PROTOBUF",
        "schema": base64.b64encode(protobuf_file().SerializeToString()).decode(),
    },
    NO_RECORD_NUMBER: {"schema": '"long"'},
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        found = SCHEMAS.get(int(self.path.partition("?")[0].rpartition("/")[2]))
        answer = found or {"error_code": 40403, "message": "Schema not found"}
        body = json.dumps(answer).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(url: str) -> SchemaRegistry:
    return SchemaRegistry({"url": url})


def framed(number: int, body: bytes) -> bytes:
    return b"\0" + number.to_bytes(4) + body


def in_avro(rating: float | None, schema: Any = AVRO) -> bytes:
    buffer = io.BytesIO()
    row = {"userId": 5, "movieId": 31, "rating": rating, "timestamp": TIME * 1000 + 999}
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema), row)
    return framed(AVRO_NUMBER, buffer.getvalue())


def in_protobuf(**fields: float) -> bytes:
    pool = DescriptorPool()
    pool.AddSerializedFile(protobuf_file().SerializeToString())
    message = GetMessageClass(pool.FindMessageTypeByName("Rating"))(**fields)
    # One level, of which the second: zigzag makes 1 and 1 to 2 and 2.
    return framed(PROTOBUF_NUMBER, b"\x02\x02" + message.SerializeToString())


IN_JSON = framed(JSON_NUMBER, b'{"userId":5,"movieId":31,"rating":3.5,"timestamp":%d}' % TIME)
IN_PROTOBUF = in_protobuf(user_id=5, movie_id=31, rating=3.5, timestamp=TIME)


def event_in(value: bytes | None) -> Event:
    return decode_message(value, TIME, RatingScale())


@pytest.mark.parametrize("value", [in_avro(3.5), IN_JSON, IN_PROTOBUF], ids=["avro", "json", "pb"])
def test_each_kind_of_schema_is_decoded(registry: SchemaRegistry, value: bytes) -> None:
    plain = b'{"userId":1}'
    decoded = registry.plain([plain, value, None])
    assert [decoded[0], decoded[2]] == [plain, None]
    assert event_in(decoded[1]) == Rated(5, 31, 3.5, TIME)


def test_null_deletes_and_nan_does_not(registry: SchemaRegistry) -> None:
    """As in plain JSON; a zero of Protobuf that may as well be missing is missing."""
    null, nan, unset = registry.plain(
        [in_avro(None), in_avro(float("nan")), in_protobuf(user_id=5, rating=3.5)]
    )
    assert event_in(null) == Deleted(5, 31, TIME)
    with pytest.raises(RatingError, match="rating 'nan' is not a number"):
        event_in(nan)
    with pytest.raises(RatingError, match="movieId is missing"):
        event_in(unset)


@pytest.mark.parametrize(
    "value",
    [
        framed(UNKNOWN_NUMBER, b"anything"),
        framed(AVRO_NUMBER, b"\x0a"),
        framed(JSON_NUMBER, b"{"),
        framed(PROTOBUF_NUMBER, b"\xff"),
        framed(PROTOBUF_NUMBER, b"\x02\x08"),
        framed(NO_RECORD_NUMBER, b"\x0a"),
    ],
)
def test_what_does_not_fit_its_schema_is_left_to_be_rejected(
    registry: SchemaRegistry, value: bytes
) -> None:
    assert registry.plain([value, in_avro(3.5)])[0] == value
    with pytest.raises(RatingError, match="framed for a schema registry"):
        event_in(value)


def test_a_registry_that_does_not_answer_rejects_nothing() -> None:
    registry = SchemaRegistry({"url": "http://127.0.0.1:9", "max.retries": "0"})
    assert registry.plain([b"{}"]) == [b"{}"]
    with pytest.raises(BrokerError, match="does not answer"):
        registry.plain([in_avro(3.5)])


def test_its_settings_are_apart_from_those_of_kafka() -> None:
    """And its password is shown nowhere."""
    settings = KafkaSettings(
        "kafka://h:1",
        {
            "schema.registry.url": "http://h:2",
            "schema.registry.basic.auth.user.info": "me:hidden",
            "fetch.wait.max.ms": "50",
        },
    )
    assert settings.registry == {"url": "http://h:2", "basic.auth.user.info": "me:hidden"}
    assert not [name for name in settings.consumer() if name.startswith("schema.")]
    assert settings.masked()["schema.registry.basic.auth.user.info"] == MASK
    assert "hidden" not in settings.without_secrets("wrong: me:hidden")
    with pytest.raises(SettingError, match=r"not kafka\.schema\.registry\.url"):
        KafkaSettings("kafka://h:1", {"schema.registry.max.retries": "1"})
    with pytest.raises(SettingError, match="is wrong"):
        SchemaRegistry({"url": "http://h:2", "no.such": "1"})


def test_framed_messages_arrive_in_batches(
    kafka_stream: Stream, kafka_cluster: KafkaCluster, url: str
) -> None:
    """With the registry; without it they are rejected rows that say so."""
    sender = Producer({"bootstrap.servers": kafka_cluster.servers})
    values = [in_avro(3.5), IN_JSON, IN_PROTOBUF, framed(UNKNOWN_NUMBER, b"anything")]
    for value in values:
        sender.produce(kafka_stream.topic, value, b"5", partition=0)
    sender.flush()
    decoding = replace(
        kafka_stream, root=kafka_stream.root / "decoding", kafka={"schema.registry.url": url}
    )
    decoding.batch()
    np.testing.assert_array_equal(decoding.ratings().rating, np.float32([3.5] * 3))
    assert [row.raw for row in decoding.rejected()] == values[3:]
    kafka_stream.batch()
    rejected = kafka_stream.rejected()
    assert [row.raw for row in rejected] == values
    assert all("framed for a schema registry" in row.reason for row in rejected)
