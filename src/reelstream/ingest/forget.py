"""Sends into the log the wish of a user to be forgotten."""

from __future__ import annotations

import time

from reelstream.broker.interface import Broker
from reelstream.broker.partitioning import key_of_user
from reelstream.ratings import EVERY_ITEM, Rating, encode_message


def forget(user_id: int, broker: Broker, topic: str) -> int:
    """Return up to when the user is forgotten, now in seconds since 1970 (UTC), when the log has
    the message.

    A user whom nobody knows may be forgotten too. Raises BrokerError; sending it again does no
    harm.
    """
    wish = Rating(user_id, EVERY_ITEM, None, int(time.time()))
    with broker.producer(topic) as producer:
        producer.send(encode_message(wish), key_of_user(user_id))
        producer.flush()
    return wish.timestamp
