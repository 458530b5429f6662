"""Ids that are texts, from a file through the log into the batches."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pytest

from reelstream.broker import open_broker
from reelstream.broker.partitioning import partition_of
from reelstream.datasets import detect
from reelstream.ratings import ids as ids_module
from reelstream.ratings.events import Erased
from reelstream.ratings.ids import Ids, hash_of
from reelstream.ratings.wire import encode_message
from reelstream.storage.batch_erasure import erase_users
from reelstream.storage.id_names import StoredNames
from streams import TOPIC, Stream

USERS = [f'Jörg "{number}", Müßig' for number in range(20)]
ITEMS = [f"{number:09d}X" for number in range(30)]


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    """Ratings of texts by texts, some of them broken."""
    chance, data = random.Random(0), tmp_path / "data"
    data.mkdir()
    rows = [
        (user, item, chance.choice([1, 2.5, 4]), 1_000_000_000 + chance.randrange(10**6))
        for user in USERS
        for item in chance.sample(ITEMS, 10)
    ]
    with open(data / "ratings.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["userId", "asin", "rating", "timestamp"])
        writer.writerows([*rows, ("", ITEMS[0], 4, 1_000_000_000), (USERS[0], "x" * 300, 4, 1)])
    return Stream(tmp_path, detect(data))


def names_of(stream: Stream) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What the file of each batch names: users, items."""
    found = map(stream.batches.read_names, stream.batches.manifests())
    return [(names.user, names.item) for names in found]


def test_batches_hold_the_texts_and_name_each_once(stream: Stream) -> None:
    """Row by row what the file holds; two broken rows are rejected, and the audit is clean."""
    stream.produce()
    stream.batch(rows=60)
    stream.assert_exactly_once()
    assert sorted(row.reason for row in stream.rejected()) == [
        f"movieId {'x' * 40!r} is longer than 200 characters",
        "userId is empty",
    ]
    named = names_of(stream)
    assert sorted(user for users, _ in named for user in users) == sorted(USERS)
    assert sorted(item for _, items in named for item in items) == ITEMS
    manifest = stream.batches.manifests()[0]
    text = stream.batches.rating_files(manifest)[0].read_text("utf-8")
    held = {(row["userId"], row["movieId"]) for row in csv.DictReader(text.splitlines())}
    assert held <= {(user, item) for user in USERS for item in ITEMS}


def test_messages_are_keyed_by_the_text(stream: Stream) -> None:
    """In UTF-8, as Kafka's Java clients place a string."""
    stream.produce()
    with open_broker(stream.url) as broker, broker.consumer(TOPIC) as consumer:
        consumer.seek(dict.fromkeys(range(3), 0))
        records = [record for record in consumer.poll(1000, 1.0) if record.value[:1] == b"{"]
    assert len(records) == 200
    for record in records:
        assert json.loads(record.value)["userId"].encode() == record.key
        assert record.partition == partition_of(record.key, 3)


def test_whoever_starts_later_knows_all_texts(stream: Stream) -> None:
    """From the files alone; the next batch names only what is new."""
    stream.produce()
    stream.batch(rows=1000)
    ids = Ids.of_kinds("text", "text")
    StoredNames(stream.batches, ids).refresh(stream.batches.manifests())
    assert ids.user.texts_of(stream.ratings().user_id[:3])[0] in USERS
    with open_broker(stream.url) as broker, broker.producer(TOPIC) as producer:
        for user in (USERS[0], "somebody new"):
            message = {"userId": user, "movieId": ITEMS[0], "rating": 4, "timestamp": 10**9}
            producer.send(json.dumps(message).encode(), user.encode())
        producer.flush()
    stream.batch()
    assert names_of(stream)[-1] == (("somebody new",), ())


def test_a_collision_is_rejected_and_counted(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Across batches and restarts: of two users with one hash the first counts."""
    stream.produce()
    stream.batch(rows=1000)
    first = hash_of(USERS[0])
    real = ids_module.hash_of
    monkeypatch.setattr(ids_module, "hash_of", lambda text: first if text == "twin" else real(text))
    before = stream.ratings()
    with open_broker(stream.url) as broker, broker.producer(TOPIC) as producer:
        message = {"userId": "twin", "movieId": ITEMS[0], "rating": 4, "timestamp": 10**9}
        producer.send(json.dumps(message).encode(), b"twin")
        producer.flush()
    stream.batch()
    assert len(stream.ratings()) == len(before)
    assert stream.batches.manifests()[-1].rejected_rows == 1
    assert "userId 'twin' has the hash of" in stream.rejected()[-1].reason
    assert stream.audit().problems == ()


def test_an_erasure_takes_the_text_too(stream: Stream) -> None:
    """Of a batch in which nothing of the user is left; others keep theirs."""
    stream.produce()
    stream.batch(rows=1000)
    ids = Ids.of_kinds("text", "text")
    erased = Erased(ids.user.read(USERS[0]), 2_000_000_000)
    erased = Erased(erased.user_id, 1_700_000_000)
    with open_broker(stream.url) as broker, broker.producer(TOPIC) as producer:
        producer.send(encode_message(erased, ids), ids.user.key(erased.user_id))
        producer.flush()
    stream.batch()
    assert len(erase_users(stream.batches)) == 1
    first = stream.batches.manifests()[0]
    assert set(stream.batches.read_names(first).user) == set(USERS[1:])
    assert USERS[0] not in stream.batches.rating_files(first)[0].read_text("utf-8")
    assert len(stream.ratings()) == 191
    assert stream.audit().problems == ()
