"""Tokens: what a write answers, so that a read can wait until the server has seen it.

    0:15,2:7@3f2a9c1b

says that partition 0 of the log was followed up to offset 15, and partition 2 up to 7. What stands
after the `@` begins the identity of the topic: the offsets of another one mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from reelstream.api.problems import refusal
from reelstream.api.service import Service
from reelstream.contract import ProblemType
from reelstream.contract.waiting import TOKEN_PATTERN

# Characters of the topic's identity: two topics of one log never share them.
TOPIC_CHARACTERS = 8

_TOKEN = re.compile(TOKEN_PATTERN)


def make_token(end_offsets: Mapping[int, int], topic_id: str) -> str:
    """The token of what lies before these end offsets."""
    places = ",".join(f"{partition}:{end}" for partition, end in sorted(end_offsets.items()))
    return f"{places}@{_beginning(topic_id)}"


def await_token(service: Service, token: str, seconds: float) -> None:
    """Return once the server has seen everything before the token.

    Raises ProblemError: 422 for what is no token, 409 for one that this log cannot have given, 504
    when it takes longer than `seconds`. Raises BrokerError.
    """
    end_offsets, topic = _read(token)
    updates = service.live_updates
    if topic and updates.topic_id is not None and topic != _beginning(updates.topic_id):
        raise refusal(ProblemType.FOREIGN_TOKEN, f"the token {token} is of another topic")
    if updates.progress.has_seen(end_offsets):
        return
    known = {**updates.end_offsets, **service.writer.end_offsets}
    if not _are_before(end_offsets, known):
        # The known end may be half a second old, and another process may have written.
        _check_ends(token, end_offsets, updates.read_end_offsets())
    if not updates.progress.wait(end_offsets, seconds):
        positions = updates.progress.positions
        so_far = ",".join(f"{each}:{positions.get(each, 0)}" for each in end_offsets)
        detail = (
            f"the server has not seen {token} after {seconds:g} seconds: it has followed the log "
            f"to {so_far}; send the request again"
        )
        raise refusal(ProblemType.NOT_SEEN_YET, detail)


def _read(token: str) -> tuple[dict[int, int], str]:
    """The end offsets of a token, and the beginning of its topic's identity, if it has one."""
    if not _TOKEN.fullmatch(token):
        detail = f"after: {token!r} is no token: send what the answer to a write calls token"
        raise refusal(ProblemType.INVALID_QUERY, detail)
    places, _, topic = token.partition("@")
    pairs = (place.split(":") for place in places.split(","))
    return {int(partition): int(end) for partition, end in pairs}, topic


def _check_ends(token: str, end_offsets: Mapping[int, int], known: Mapping[int, int]) -> None:
    if not _are_before(end_offsets, known):
        ends = ",".join(f"{partition}:{end}" for partition, end in sorted(known.items()))
        detail = f"the token {token} lies beyond the end of the log, {ends}: it is of another log"
        raise refusal(ProblemType.FOREIGN_TOKEN, detail)


def _are_before(end_offsets: Mapping[int, int], known: Mapping[int, int]) -> bool:
    return all(end <= known.get(partition, -1) for partition, end in end_offsets.items())


def _beginning(topic_id: str) -> str:
    # Kafka's identities have capitals, - and _.
    return re.sub(r"\W", "_", topic_id)[:TOPIC_CHARACTERS]
