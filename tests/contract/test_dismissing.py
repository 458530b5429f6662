"""A film is dismissed on each log alike, and the files keep it."""

from __future__ import annotations

from reelstream.broker import open_broker
from reelstream.ratings.events import Deleted, Dismissed, Rated
from reelstream.ratings.histories import Histories
from reelstream.ratings.wire import encode_message
from streams import Stream

USER, FILM, OTHER, THIRD = 10**12, 31, 47, 50


def test_what_was_dismissed_is_dismissed_after_a_restart(any_stream: Stream) -> None:
    """From the batches alone, as a server reads them when it starts; the audit counts it."""
    stream = any_stream
    stream.produce()
    events = [
        Dismissed(USER, FILM, 100),
        Dismissed(USER, OTHER, 100),
        Dismissed(USER, THIRD, 100),
        Rated(USER, OTHER, 4.0, 101),
        Deleted(USER, THIRD, 101),
    ]
    with open_broker(stream.url) as broker, broker.appender(stream.topic) as log:
        log.append([(str(USER).encode(), encode_message(event)) for event in events])
    stream.batch()
    histories = Histories.of(stream.ratings())
    assert histories.dismissed_by(USER).tolist() == [FILM]
    assert histories.of_user(USER).item_id.tolist() == [OTHER]
    assert stream.rejected() == [] and stream.audit().problems == ()
