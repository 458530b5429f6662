"""What the records of the log say: events, or reasons why they are none.

Batch writer and server read them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reelstream.broker.headers import broken_row_reason
from reelstream.broker.interface import Headers, Records
from reelstream.ratings.columns import EventColumns
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.scale import RatingScale
from reelstream.ratings.wire import RecordPlaces, decode_messages


def broken_rows(headers: Sequence[Headers]) -> dict[int, str]:
    """Row -> reason of the records that their headers call rows which break the contract."""
    reasons = ((row, broken_row_reason(dict(each))) for row, each in enumerate(headers))
    return {row: reason for row, reason in reasons if reason is not None}


def decode_records(
    records: Records, broken: Mapping[int, str], scale: RatingScale, ids: Ids = NUMBERS
) -> tuple[EventColumns, dict[int, str]]:
    """The events in `records`, in their order, and row -> reason of every record that is none.

    `broken` are the `broken_rows` among them, which are not decoded.
    """
    values = records.values
    if broken:
        values = [None if row in broken else value for row, value in enumerate(values)]
    places = RecordPlaces(
        records.partition, records.offset, records.timestamp // 1000, records.clock // 1000
    )
    events, reasons = decode_messages(values, places, scale, ids)
    return events, reasons | dict(broken)
