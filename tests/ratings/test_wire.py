import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reelstream.errors import RatingError
from reelstream.ratings.events import Deleted, Dismissed, Erased, Event, Rated
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.wire import RecordPlaces, decode_message, decode_messages, encode_message

NOW = 1_700_000_000
numbers = st.one_of(
    st.integers(-2, 10),
    st.sampled_from(
        [2**63 - 1, 2**63, 2**64, -(2**63), NOW + 86_400, NOW + 86_401, 4.3, 11, 3.5, 4.0]
    ),
    st.sampled_from(
        ["7", "3.5", "nan", "inf", "null", "", "x", "true", True, False, None, [1], {"a": 1}]
    ),
)
fields = st.dictionaries(
    st.sampled_from(["userId", "movieId", "rating", "timestamp", "forget", "dismissed", "other"]),
    numbers,
)


def as_json(message: dict[str, object]) -> bytes:
    import msgspec  # noqa: PLC0415

    return msgspec.json.encode(message)


messages = st.one_of(
    st.none(),
    st.binary(max_size=20),
    fields.map(as_json),
    st.fixed_dictionaries(
        {"userId": numbers, "movieId": st.just(1), "rating": numbers, "timestamp": numbers}
    ).map(as_json),
    st.fixed_dictionaries({"userId": numbers, "timestamp": numbers, "forget": numbers}).map(
        as_json
    ),
    st.fixed_dictionaries(
        {"userId": numbers, "movieId": numbers, "dismissed": numbers},
        optional={"rating": numbers, "forget": numbers},
    ).map(as_json),
)


@pytest.mark.parametrize(
    "scale",
    [RatingScale(), RatingScale(1, 5, 1), RatingScale(0, 1, 0.1), RatingScale(-3, 3, 0.25)],
    ids=lambda scale: f"{scale.lowest:g} to {scale.highest:g} by {scale.step:g}",
)
def test_a_scale_holds_its_values_alone(scale: RatingScale) -> None:
    """One by one and as an array: each value, however it is rounded, and nothing between, outside,
    or that is no number.
    """
    values = scale.values()
    outside = [
        scale.lowest - scale.step,
        scale.highest + scale.step,
        math.nan,
        math.inf,
        -math.inf,
        1e308,
        -1e308,
    ]
    others = np.array([*(values[:-1] + scale.step / 2), *(values + scale.step / 1e4), *outside])
    with np.errstate(invalid="ignore", over="ignore"):
        assert scale.holds(values).all()
        assert not scale.holds(others).any()
    assert all(scale.holds(value) for value in values.tolist())
    assert not any(scale.holds(value) for value in others.tolist())


@pytest.mark.parametrize(
    ("message", "forgotten"),
    [
        (b'{"userId":7,"forget":true,"timestamp":5}', Erased(7, 5)),
        (b'{"userId":7,"forget":true}', Erased(7, NOW)),
        (b'{"userId":"7","forget":true,"timestamp":"5","why":"asked"}', Erased(7, 5)),
        (b'{"userId":7,"movieId":null,"rating":null,"forget":true}', Erased(7, NOW)),
        (b'{"userId":7,"movieId":2,"rating":3,"forget":false}', Rated(7, 2, 3.0, NOW)),
        (b'{"userId":7,"movieId":2,"rating":null,"forget":null}', Deleted(7, 2, NOW)),
    ],
)
def test_a_message_may_forget_its_user(message: bytes, forgotten: Event) -> None:
    """True forgets; false, null and nothing make an ordinary message. What is decoded can be sent
    again."""
    assert decode_message(message, NOW, RatingScale()) == forgotten
    assert decode_message(encode_message(forgotten), NOW + 1, RatingScale()) == forgotten


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"userId":7,"movieId":2,"forget":true}', "neither movieId nor rating"),
        (b'{"userId":7,"rating":3,"forget":true}', "neither movieId nor rating"),
        (b'{"userId":7,"movieId":2,"rating":null,"forget":true}', "neither movieId nor rating"),
        (b'{"userId":7,"movieId":-1,"rating":null}', "movieId -1 is not between"),
        (b'{"userId":7,"rating":null}', "movieId is missing"),
        (b'{"userId":7,"forget":false}', "movieId is missing"),
        (b'{"userId":-7,"forget":true}', "userId -7 is not between"),
        (b'{"userId":7,"forget":true,"timestamp":-1}', "before 1970"),
        (b'{"userId":7,"forget":true,"timestamp":%d}' % (NOW + 86_401), "more than a day after"),
        (b'{"forget":true}', "userId"),
        (b'{"userId":7,"forget":"true"}', "Expected `bool"),
        (b'{"userId":7,"forget":1}', "Expected `bool"),
    ],
)
def test_a_doubtful_wish_forgets_nobody(message: bytes, reason: str) -> None:
    """Also one that names a film or a rating: whether the one or all should go is not to be
    guessed.
    """
    with pytest.raises(RatingError, match=reason):
        decode_message(message, NOW, RatingScale())


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (b'{"userId":7,"movieId":2,"dismissed":true,"timestamp":5}', Dismissed(7, 2, 5)),
        (b'{"userId":"7","movieId":"2","rating":null,"dismissed":true}', Dismissed(7, 2, NOW)),
        (b'{"userId":7,"movieId":2,"rating":null,"dismissed":false}', Deleted(7, 2, NOW)),
        (b'{"userId":7,"movieId":2,"rating":3,"dismissed":null}', Rated(7, 2, 3.0, NOW)),
    ],
)
def test_a_message_may_dismiss_a_film(message: bytes, event: Event) -> None:
    """True dismisses. What is decoded can be sent again, and whoever does not know dismissals
    reads a deletion.
    """
    assert decoded_at_once_and_alone(message) == event
    again = encode_message(event)
    assert decode_message(again, NOW, RatingScale()) == event
    older = again.replace(b',"dismissed":true', b"")
    if isinstance(event, Dismissed):
        assert decode_message(older, NOW, RatingScale()) == Deleted(7, 2, event.timestamp)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b'{"userId":7,"movieId":2,"rating":3,"dismissed":true}', "has no rating"),
        (b'{"userId":7,"dismissed":true}', "movieId is missing"),
        (b'{"userId":7,"movieId":-2,"dismissed":true}', "movieId -2 is not between"),
        (b'{"userId":7,"movieId":2,"dismissed":1}', "Expected `bool"),
        (b'{"userId":7,"forget":true,"dismissed":true}', "neither movieId nor rating"),
        (b'{"userId":7,"movieId":2,"dismissed":false}', "rating is missing"),
    ],
)
def test_a_doubtful_dismissal_is_rejected(message: bytes, reason: str) -> None:
    assert reason in str(decoded_at_once_and_alone(message))


@pytest.mark.parametrize(
    "field",
    [
        '"timestamp":1600000000000',
        '"timestamp":1600000000.75',
        '"timestamp":"1600000000"',
        '"timestamp":"2020-09-13T12:26:40Z"',
        '"timestamp":"2020-09-13 12:26:40.999"',
        '"timestamp":"2020-09-13 14:26:40+02:00"',
    ],
)
def test_a_time_may_be_written_in_several_ways(field: str) -> None:
    """Seconds, milliseconds, ISO 8601 with and without zone; fractions are cut."""
    message = '{"userId":"7.0","movieId":862.0,"rating":"3.5",' + field + "}"
    assert decoded_at_once_and_alone(message.encode()) == Rated(7, 862, 3.5, 1_600_000_000)


@pytest.mark.parametrize("text", ["null", "NULL", "Null", "\\u006eull", "None", "nan", ""])
def test_only_the_null_of_json_deletes(text: str) -> None:
    """A text is a program's mistake, and a rating should not be lost by it."""
    message = b'{"userId":7,"movieId":2,"rating":"%s"}' % text.encode()
    assert "is not a number" in str(decoded_at_once_and_alone(message))


def test_a_text_for_the_time_is_not_a_missing_one() -> None:
    """The log's own time stands in only where none is given."""
    message = b'{"userId":7,"movieId":2,"rating":3,"timestamp":"null"}'
    assert "timestamp 'null'" in str(decoded_at_once_and_alone(message))


def test_what_a_schema_registry_framed_is_rejected_as_that() -> None:
    message = b'\0\0\0\x01\x02{"userId":7,"movieId":2,"rating":3}'
    assert "framed for a schema registry (schema 258)" in str(decoded_at_once_and_alone(message))


def test_a_time_is_bounded_by_the_clock_not_by_the_time_a_sender_claims() -> None:
    """A late replay may say that its records are older than what they hold."""
    messages = [
        b'{"userId":7,"movieId":2,"rating":3,"timestamp":%d}' % time
        for time in (NOW, NOW + 86_400, NOW + 86_401)
    ]
    claimed, clock = np.full(3, NOW - 200_000), np.full(3, NOW)
    places = RecordPlaces(np.zeros(3, np.int32), np.arange(3), claimed, clock)
    events, reasons = decode_messages(messages, places, RatingScale())
    assert events.timestamp.tolist() == [NOW, NOW + 86_400]
    assert "more than a day after" in reasons[2]


def decoded_at_once_and_alone(message: bytes) -> Event | str:
    """The event, or the reason why there is none; the same in both ways to decode."""
    plain = b'{"userId":1,"movieId":1,"rating":1,"timestamp":1}'
    places = RecordPlaces(np.zeros(2, np.int32), np.arange(2), *[np.full(2, NOW)] * 2)
    events, reasons = decode_messages([message, plain], places, RatingScale())
    try:
        alone: Event | str = decode_message(message, NOW, RatingScale())
    except RatingError as error:
        alone = str(error)
    assert (reasons[0] if reasons else next(events.events())) == alone
    return alone


def in_columns(event: Event) -> Event:
    """As columns hold it: a rating in single precision."""
    if isinstance(event, Rated):
        return Rated(event.user_id, event.item_id, float(np.float32(event.rating)), event.timestamp)
    return event


@given(st.lists(messages, max_size=20))
@example(
    [b'{"userId":"1","movieId":2.0,"rating":"4.5"}', b'{"userId":1,"movieId":2,"rating":null}']
)
@example(
    [
        b'{"userId":1,"movieId":2,"rating":"nan"}',
        b'{"userId":18446744073709551616,"movieId":2,"rating":1}',
    ]
)
@example(
    [
        b'{"userId":1,"movieId":2,"rating":1e308}',
        b'{"userId":1,"movieId":2,"rating":3,"x":' + b"[" * 100_000,
    ]
)
@example([b'{"userId":1,"forget":true}', b'{"userId":1,"movieId":2,"rating":3,"forget":true}'])
@example([as_json({"userId": user, "movieId": 2, "rating": 3}) for user in range(20)])
@example(
    [
        as_json({"userId": user, "movieId": 2, "rating": [3, None, "nan"][user % 3]})
        for user in range(20)
    ]
)
@example(
    [
        b'{"userId":1,',
        b'"movieId":2,"rating":3}',
        b'{"userId":1,"movieId":2,"rating":3}{"userId":4,"movieId":2,"rating":3}',
    ]
)
@example(
    [
        b'{"userId":1,"x":"}',
        b'{","movieId":2,"rating":3}',
        b'{"userId":1,"movieId":2,"rating":3}{"userId":4,"movieId":2}',
    ]
)
@example(
    [
        b'{"userId":1,"movieId":2,"rating":3,"x":[{}',
        b"{}]}",
        b'{"userId":1,"movieId":2,"rating":3}{"userId":4,"movieId":2}',
    ]
)
@example([b'{"userId":1,\n"movieId":2,"rating":3}', b'{"userId":1,"movieId":2,"rating":3}\n'])
@example(
    [
        b'{"userId":1,"movieId":2,"rating":3,"x":"\n"}',
        b'{"userId":1,"movieId":2,"rating":3,"x":"}\n{"}',
    ]
)
@example(
    [
        b"\xff",
        b"",
        None,
        b"[]",
        b'{"userId":1,"movieId":2,"rating":3}{"userId":1,"movieId":2,"rating":3}',
    ]
)
def test_many_at_once_are_decoded_as_one_by_one(values: list[bytes | None]) -> None:
    """The quick way takes what the careful way takes, and refuses the rest with its reason."""
    n = len(values)
    seconds = np.arange(NOW, NOW + n)
    partition, offset = np.full(n, 2, np.int32), np.arange(10, 10 + n)
    events, reasons = decode_messages(
        values, RecordPlaces(partition, offset, seconds, seconds), RatingScale()
    )
    accepted = zip(events.events(), events.offset.tolist(), strict=True)
    for row, value in enumerate(values):
        try:
            expected = decode_message(value, NOW + row, RatingScale())
        except RatingError as error:
            assert reasons[row] == str(error)
            continue
        assert row not in reasons
        assert next(accepted) == (in_columns(expected), 10 + row)
    assert set(events.partition.tolist()) <= {2}
    assert next(accepted, None) is None
