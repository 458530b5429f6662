"""200 rows that nobody should send: each is rejected with reason and offset, or is a rating by the
contract.
"""

import time
from pathlib import Path

import pytest

from reelstream.broker import open_broker
from reelstream.datasets import detect
from reelstream.errors import RatingError
from reelstream.ratings.wire import decode_message
from streams import Stream

NOW = int(time.time())
YEARS_AHEAD = NOW + 5 * 365 * 86_400
SOUND = [b"1", b"2", b"3.5", b"1000"]
BAD_CELLS = [
    b"abc",
    b"",
    b" ",
    b"NaN",
    b"inf",
    b"-1",
    b"1e400",
    b"0x10",
    b"\x00",
    b"1\x002",
    b"\xff\xfe",
    b'"',
    b"9" * 40,
]

CSV_ROWS = [
    *[b",".join([*SOUND[:place], cell, *SOUND[place + 1 :]]) for place in range(4) for cell in BAD_CELLS],
    *[b"1,2,%s,1000" % stars for stars in (b"11", b"4.3", b"0", b"0.49", b"5.5", b"-3", b"3,5", b"4.0000001", b"05.0", b"+4")],
    *[b"%d,2,3.5,1000" % user for user in (-1, -(2**63), 2**63 - 1, 2**63, 2**64, 2**64 + 1)],
    *[b"1,%d,3.5,1000" % item for item in (-1, 2**63, 10**30)],
    *[b"1,2,3.5,%d" % seconds for seconds in (YEARS_AHEAD, YEARS_AHEAD * 1000, -5, 2**63, 2**63 - 1)],
    b"", b"", b"   ", b",,,", b"1,2,3.5", b"1,2,3.5,1000,5", b";;;", b"userId,movieId,rating,timestamp",
    b"1,2,3.5," + b"7" * 1_000_000, b"x" * 1_000_000, b"1,2," + b"\x00" * 100 + b",1000",
    b'{"userId":1}', b'{"userId":1,"movieId":2,"rating":3.5,"timestamp":1000}', b"=1+1,2,3.5,1000",
    b"'; DROP TABLE records; --",
    *[b"7,8,4.0,2000"] * 20,
]  # fmt: skip
CSV_ROWS += [b"%d,2,%d.%d,1000" % (row, row % 13, row % 10) for row in range(200 - len(CSV_ROWS))]

MESSAGES = [
    None, b"", b" ", b"null", b"[]", b"1", b'"x"', b"{", b"{}", b"\x00", b"\xff\xfe", b"1,2,3.5,1000", b"x" * 1_000_000,
    b'{"userId":1,"movieId":2,"rating":3.5,"timestamp":1000,"note":"' + b"y" * 1_000_000 + b'"}',
    b'{"userId":1,"movieId":2,"rating":3.5}', b'{"userId":1,"movieId":2,"rating":null,"timestamp":1000}',
    b'{"userId":1,"movieId":2,"timestamp":1000}', b'{"userId":1,"userId":2,"movieId":2,"rating":3.5,"timestamp":1000}',
    b'{"userId":7,"forget":true}', b'{"userId":7,"movieId":2,"rating":3.5,"forget":true}', b"[" * 100_000,
    b'{"userId":1,"movieId":2,"rating":3.5,"deep":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"userId":1,"movieId":2,"rating":3.5,"timestamp":1000}{}',
    *[b'{"userId":%s,"movieId":2,"rating":3.5,"timestamp":1000}' % cell
      for cell in (b'"abc"', b"-1", b"1.5", b"1.0", b'"1"', b"true", b"null", b"{}", b"%d" % 2**63, b"%d" % 2**64,
                   b"9" * 400, b'"\\u0000"')],
    *[b'{"userId":1,"movieId":%s,"rating":3.5,"timestamp":1000}' % cell
      for cell in (b"-1", b"[]", b"1e3", b"%d" % (2**63 - 1))],
    *[b'{"userId":1,"movieId":2,"rating":%s,"timestamp":1000}' % cell
      for cell in (b"11", b"4.3", b"0", b"-4", b"1e400", b"NaN", b'"NaN"', b'"inf"', b'"4"', b"4.0000000001", b"true", b"[4]")],
    *[b'{"userId":1,"movieId":2,"rating":3.5,"timestamp":%d}' % seconds
      for seconds in (YEARS_AHEAD, YEARS_AHEAD * 1000, -5, 2**63, 2**63 - 1, 2**64, 0)],
    *[b'{"userId":7,"movieId":8,"rating":4.0,"timestamp":2000}'] * 20,
]  # fmt: skip
MESSAGES += [
    b'{"userId":%d,"movieId":2,"rating":%d.%d}' % (n, n % 13, n % 10)
    for n in range(200 - len(MESSAGES))
]


def test_hostile_rows_of_a_file_are_rejected_or_ratings(tmp_path: Path) -> None:
    """Every row of the file comes out once: as it was accepted, or with its reason; the rows behind
    come through.
    """
    assert len(CSV_ROWS) == 200
    data = tmp_path / "data"
    data.mkdir()
    good = [b"%d,%d,3.5,%d" % (row, row + 1, row + 1000) for row in range(100)]
    lines = [b"userId,movieId,rating,timestamp", *good[:50], *CSV_ROWS, *good[50:]]
    (data / "ratings.csv").write_bytes(b"\n".join(lines) + b"\n")
    stream = Stream(tmp_path / "work", detect(data))
    report = stream.produce()
    stream.batch(rows=40)
    stream.assert_exactly_once()
    rejected = stream.rejected()
    assert report.sent == len(stream.ratings()) + len(rejected) == 300
    assert report.unreadable == len(rejected) > 100
    assert all(row.reason for row in rejected)
    assert {b"abc,2,3.5,1000", b"1,2,11,1000", b"1,2,4.3,1000", b"-1,2,3.5,1000"} <= {
        row.raw for row in rejected
    }


@pytest.mark.parametrize("batch_rows", [7, 1000])
def test_hostile_messages_are_rejected_or_ratings(any_stream: Stream, batch_rows: int) -> None:
    """Whatever stands in the log: each offset comes out once, as the contract decides, and the log
    goes on.
    """
    stream = any_stream
    assert len(MESSAGES) == 200
    with open_broker(stream.url) as broker:
        broker.ensure_topic(stream.topic, 3)
        with broker.producer(stream.topic) as producer:
            for number, value in enumerate(MESSAGES):
                producer.send(value, partition=number % 3)
            producer.send(b'{"userId":99,"movieId":2,"rating":3.5,"timestamp":1000}', partition=0)
            producer.flush()
    stream.batch(rows=batch_rows)
    assert stream.audit().problems == ()
    ratings, rejected = stream.ratings(), stream.rejected()
    assert len(ratings) + len(rejected) == 201
    assert 99 in ratings.user_id
    reasons = {(row.partition, row.offset): row for row in rejected}
    accepted = set(zip(ratings.partition.tolist(), ratings.offset.tolist(), strict=True))
    for number, value in enumerate(MESSAGES):
        place = number % 3, number // 3
        try:
            decode_message(value, NOW, stream.dataset.scale)
        except RatingError:
            assert reasons[place].reason
            assert reasons[place].raw == (value or b"")
        else:
            assert place in accepted
