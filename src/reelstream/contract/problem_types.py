"""The types of problems that the API answers with.

Their names stay, so that a program may tell them apart.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

# The page of a server that explains them.
PROBLEMS_PATH: Final = "/docs/problems"


class ProblemType(Enum):
    """HTTP status, what happened, and what to do about it."""

    def __init__(self, status: int, meaning: str, remedy: str) -> None:
        self.status, self.meaning, self.remedy = status, meaning, remedy

    MALFORMED_REQUEST = (
        400,
        "The body is not JSON, or the request is not as HTTP has it.",
        "Send one JSON document, in UTF-8.",
    )
    KEY_NEEDED = (
        401,
        "What was asked needs a key, and none was sent.",
        "Make one with `reelstream keys create`, and send it as `Authorization: Bearer KEY`.",
    )
    UNKNOWN_KEY = (
        401,
        "The key that was sent is not known, or no longer.",
        "`reelstream keys list` names those there are. Where no key is needed, send none.",
    )
    KEY_LACKS_SCOPE = (
        403,
        "The key is for something else.",
        "Take a key that has the scope which the detail names.",
    )
    UNKNOWN_FILM = (
        404,
        "The film is neither in the catalogue nor rated.",
        "Find films with `/v1/items?query=`.",
    )
    UNKNOWN_MODEL_SET = (
        404,
        "There is no model set of this number, or it is not kept any more.",
        "`/v1/models` lists those that are kept.",
    )
    UNKNOWN_SEGMENT = (
        404,
        "The set in service has no segment of this number.",
        "`/v1/segments` lists those that it has.",
    )
    UNKNOWN_PATH = (
        404,
        "Nothing answers under this path.",
        "`/docs` lists all paths.",
    )
    METHOD_NOT_ALLOWED = (
        405,
        "The path does not take this method.",
        "The `Allow` header says which it takes.",
    )
    LATE_BODY = (
        408,
        "The body did not arrive in time.",
        "Send it again, at once; several smaller lists if the network is slow.",
    )
    FOREIGN_TOKEN = (
        409,
        "The token of `after` is of another log, or lies beyond the end of this one.",
        "Take the token that this stream's last write answered. After the topic was made anew, "
        "forget all older ones.",
    )
    FILM_IS_RATED = (
        409,
        "The user has rated the film, so it is in no list, and can be neither dismissed nor taken "
        "back.",
        "Delete the rating first, if that is meant.",
    )
    REQUEST_RUNNING = (
        409,
        "The first request with this `Idempotency-Key` is still being answered.",
        "Send it again after the seconds of `Retry-After`.",
    )
    LARGE_BODY = (
        413,
        "The body is larger than 2 MiB.",
        "Send several smaller lists.",
    )
    NOT_SAID_TO_BE_JSON = (
        415,
        "The request does not say that its body is JSON.",
        "Send `Content-Type: application/json`.",
    )
    WRONG_HOST = (
        421,
        "The `Host` header names another server.",
        "Address the server by a name of this machine, or let it listen on another address.",
    )
    INVALID_QUERY = (
        422,
        "The query is not understood; `errors` names the wrong fields.",
        "Correct them: `/docs` says what each may be. Fields that the API does not know are "
        "refused.",
    )
    REUSED_IDEMPOTENCY_KEY = (
        422,
        "The `Idempotency-Key` was sent with another request before.",
        "Take a new key for each request, and the same only to send one again.",
    )
    TOO_MANY_REQUESTS = (
        429,
        "The caller sends more requests a second than one may.",
        "Wait the seconds of `Retry-After`; send lists of queries instead of single ones.",
    )
    INTERNAL_ERROR = (
        500,
        "Something failed that should not.",
        "The server's log says what. Please report it.",
    )
    LOG_UNAVAILABLE = (
        503,
        "The log does not take what was sent, or cannot be read. Other reads go on.",
        "Send it again after the seconds of `Retry-After`, with the same `Idempotency-Key`.",
    )
    NO_MODEL_SET = (
        503,
        "No model set is in service yet.",
        "Wait for the first closed batch; `/health/ready` says when.",
    )
    MODEL_SET_TOO_OLD = (
        503,
        "The model set was trained before there was the model that should answer.",
        "Wait for the next set, or train one.",
    )
    TOO_BUSY = (
        503,
        "More requests wait already than the server takes.",
        "Send it again after the seconds of `Retry-After`.",
    )
    NOT_SEEN_YET = (
        504,
        "The server has not seen the token of `after` within `timeout`.",
        "Send the request again. If it stays so, `/v1/status` says how far each stage is.",
    )

    @property
    def slug(self) -> str:
        """Its name in URLs: `unknown-film`."""
        return self.name.lower().replace("_", "-")

    @property
    def uri(self) -> str:
        """What names it in a problem: relative to the server, whose page explains it."""
        return f"{PROBLEMS_PATH}#{self.slug}"
