"""What every view gets: the API, and the visitor's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from reelstream.client import ApiError, Client
from reelstream.ui import visitor
from reelstream.ui.words import Words

T = TypeVar("T")
# The server has not seen the write in time; the write is of another log.
_TOO_EARLY, _ANOTHER_LOG = 504, 409


@dataclass(frozen=True, kw_only=True)
class App:
    """One visitor's look at one API."""

    client: Client
    words: Words

    def read(self, query: Callable[[Client], T]) -> T:
        """An answer that has seen what this visitor wrote; when the server is late, the answer
        that there is, and `visitor.is_behind` says so.
        """
        token = visitor.token()
        if token is None:
            return query(self.client)
        try:
            answer = query(self.client.after(token))
        except ApiError as error:
            if error.status not in (_TOO_EARLY, _ANOTHER_LOG):
                raise
            if error.status == _ANOTHER_LOG:
                visitor.forget_token()
            visitor.note_behind(error.status == _TOO_EARLY)
            # No second wait: an older answer with a note beats a page that stands still.
            return query(self.client)
        visitor.note_behind(False)
        return answer
