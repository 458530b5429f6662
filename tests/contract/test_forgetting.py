"""A user is forgotten on each log alike."""

from __future__ import annotations

import time

from reelstream.broker import open_broker
from reelstream.ingest.forget import forget
from reelstream.ratings.effective import effective_ratings
from streams import Stream

USER, NOBODY = 7, 10**12


def test_the_log_has_the_wish_behind_the_ratings_of_its_user(any_stream: Stream) -> None:
    """When `forget` returns, in the partition of the user; again, or for a user whom nobody knows,
    it does no harm.
    """
    stream = any_stream
    stream.produce()
    before = int(time.time())
    with open_broker(stream.url) as broker:
        ends = broker.end_offsets(stream.topic)
        moments = [forget(user, broker, stream.topic) for user in (USER, USER, NOBODY)]
        assert sum(broker.end_offsets(stream.topic).values()) == sum(ends.values()) + 3
    assert before <= moments[0] <= moments[2] <= time.time()
    stream.batch()
    held = stream.ratings()
    mine = held[held.user_id == USER]
    assert len(mine) > 3 and len(set(mine.partition.tolist())) == 1
    assert held.user_id[held.is_erasure].tolist().count(USER) == 2
    remaining = effective_ratings(held)
    assert set(held.user_id.tolist()) - set(remaining.user_id.tolist()) == {USER, NOBODY}
    assert stream.rejected() == [] and stream.audit().problems == ()
