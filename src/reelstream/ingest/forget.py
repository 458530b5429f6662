"""Sends the erasure of a user's ratings into the log."""

from __future__ import annotations

import time

from reelstream.broker.interface import Broker
from reelstream.ratings.events import Erased
from reelstream.ratings.ids import NUMBERS, Ids
from reelstream.ratings.wire import encode_message


def forget(user_id: int, broker: Broker, topic: str, ids: Ids = NUMBERS) -> int:
    """Erase what a user has rated up to now; return that time, in seconds since 1970 (UTC), once
    the log has it.

    An unknown user may be erased too. Raises BrokerError; sending it again does no harm.
    """
    erasure = Erased(user_id, int(time.time()))
    with broker.producer(topic) as producer:
        producer.send(encode_message(erasure, ids), ids.user.key(user_id))
        producer.flush()
    return erasure.timestamp
