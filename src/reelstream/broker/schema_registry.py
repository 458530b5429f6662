"""Messages that serializers of a schema registry framed, as JSON: Avro, JSON Schema and Protobuf.

Their frame is a zero byte and the schema's number in four; in Protobuf, the place of the message
among those of its schema follows.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any, TypeAlias

import fastavro
import msgspec
import structlog
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from google.protobuf import timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass

from reelstream.errors import BrokerError, SettingError
from reelstream.ratings.wire import REGISTRY_FRAME_BYTES, framed_schema

# The registry knows no such schema: no later query will be answered otherwise.
_NOT_FOUND = 404
_VARINT_BITS = 7
_VARINT_MORE = 1 << _VARINT_BITS
# What any registry's schemas may use without holding it.
_KNOWN_FILES = {each.DESCRIPTOR.name: each.DESCRIPTOR for each in (timestamp_pb2, wrappers_pb2)}
# From the bytes after the frame to what the message says.
_Decoder: TypeAlias = Callable[[bytes], Any]

log = structlog.get_logger()


class SchemaRegistry:
    """Decodes framed values; each schema is fetched once."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """`settings` are those of the registry's client: `url`, `basic.auth.user.info`, ...

        Raises SettingError for one that it does not take.
        """
        self._url = settings["url"]
        given = {name: int(text) if text.isdecimal() else text for name, text in settings.items()}
        try:
            self._client = SchemaRegistryClient(given)
            # A client keeps a schema in the first form that it was asked for.
            self._serialized = SchemaRegistryClient(given)
        except (TypeError, ValueError):
            # Without its text and cause, which may quote a password.
            raise SettingError("a setting of kafka.schema.registry.* is wrong") from None
        self._decoders: dict[int, _Decoder | None] = {}
        self._failed: set[int] = set()

    def plain(self, values: Sequence[bytes | None]) -> list[bytes | None]:
        """The values, the framed ones among them as JSON; one that cannot be decoded stays framed.

        Raises BrokerError when the registry cannot be reached: that is no fault of the messages.
        """
        return [value if value is None else self._plain(value) for value in values]

    def _plain(self, value: bytes) -> bytes:
        number = framed_schema(value)
        if number is None:
            return value
        if number not in self._decoders:
            self._decoders[number] = self._find_decoder(number)
        decoder = self._decoders[number]
        if decoder is None:
            return value
        try:
            return _as_json(decoder(value[REGISTRY_FRAME_BYTES:]))
        # Whatever a decoder raises of bytes from elsewhere: the message does not fit its schema.
        except Exception as error:
            self._say(number, error)
            return value

    def _find_decoder(self, number: int) -> _Decoder | None:
        """None for a schema that nobody can decode. Raises BrokerError."""
        try:
            schema = self._client.get_schema(number)
            files = [] if schema.schema_type != "PROTOBUF" else self._files_of(number)
        except Exception as error:
            if isinstance(error, SchemaRegistryError) and error.http_status_code == _NOT_FOUND:
                self._say(number, error)
                return None
            raise BrokerError(
                f"the schema registry {self._url} does not answer: {error}"
            ) from error
        try:
            return _protobuf_decoder(files) if files else _decoder_of(schema)
        except Exception as error:
            self._say(number, error)
            return None

    def _files_of(self, number: int) -> list[FileDescriptorProto]:
        """A schema of Protobuf after those that it imports from the registry."""
        return self._with_imports(self._serialized.get_schema(number, fmt="serialized"))

    def _with_imports(self, schema: Schema) -> list[FileDescriptorProto]:
        files = []
        for reference in schema.references or ():
            imported = self._serialized.get_version(
                reference.subject or "", reference.version or "latest", fmt="serialized"
            )
            files += self._with_imports(imported.schema)
            files[-1].name = reference.name
        files.append(FileDescriptorProto.FromString(base64.b64decode(schema.schema_str or "")))
        return files

    def _say(self, number: int, error: Exception) -> None:
        """Once for each schema; every message is a rejected row anyway."""
        if number not in self._failed:
            self._failed.add(number)
            log.warning("framed_message_not_decoded", schema=number, reason=str(error)[:200])


def _as_json(message: Any) -> bytes:
    """NaN becomes text, which is rejected: as JSON it would be null, which deletes a rating."""
    if not isinstance(message, dict):
        raise TypeError(f"the message is {type(message).__name__}, not a record")
    return msgspec.json.encode(
        {
            name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in message.items()
        }
    )


def _decoder_of(schema: Schema) -> _Decoder:
    if schema.references:
        raise ValueError("its schema refers to others: only those of Protobuf may")
    if schema.schema_type == "JSON":
        return msgspec.json.decode
    parsed = fastavro.parse_schema(msgspec.json.decode(schema.schema_str or ""))
    return lambda body: fastavro.schemaless_reader(BytesIO(body), parsed, None)


def _protobuf_decoder(files: Sequence[FileDescriptorProto]) -> _Decoder:
    """Of the schema in the last of `files`. A field that is not `optional` is left out at zero: it
    cannot be told from one that was not set.
    """
    pool = DescriptorPool()
    for known in _KNOWN_FILES.values():
        pool.AddSerializedFile(known.serialized_pb)
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    types = pool.FindFileByName(files[-1].name).message_types_by_name
    names = [each.name for each in files[-1].message_type]

    def decode(body: bytes) -> Any:
        path, start = _message_path(body)
        found = types[names[path[0]]]
        for place in path[1:]:
            found = found.nested_types[place]
        return MessageToDict(GetMessageClass(found).FromString(body[start:]))

    return decode


def _message_path(body: bytes) -> tuple[list[int], int]:
    """Which message of its schema, by its place at each level of nesting, and where it begins."""
    length, start = _varint(body, 0)
    if length == 0:  # short for the first message
        return [0], start
    path = []
    for _ in range(length):
        place, start = _varint(body, start)
        path.append(place)
    return path, start


def _varint(body: bytes, start: int) -> tuple[int, int]:
    """A number in zigzag coding, and where the next one begins."""
    number = shift = 0
    while True:
        byte = body[start]
        start, number = start + 1, number | (byte % _VARINT_MORE) << shift
        if byte < _VARINT_MORE:
            return (number >> 1) ^ -(number & 1), start
        shift += _VARINT_BITS
