"""What every view gets: the API, and the visitor's words."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from reelstream.client import ApiError, Client
from reelstream.ui import visitor
from reelstream.ui.words import Words

T = TypeVar("T")
# The server has not seen the write in time; the write is of another log.
_TOO_EARLY, _ANOTHER_LOG = 504, 409
# For all visitors: a view sends some eight queries at once.
_QUERIES = ThreadPoolExecutor(max_workers=32, thread_name_prefix="query")


@dataclass(frozen=True, kw_only=True)
class App:
    """One visitor's look at one API."""

    client: Client
    words: Words

    def read(self, query: Callable[[Client], T]) -> T:
        """An answer that has seen what this visitor wrote; when the server is late, the answer
        that there is, and `visitor.is_behind` says so.
        """
        reader = self._reader()
        return self._settled(query, reader, partial(query, reader))

    def begin(self, query: Callable[[Client], T]) -> Callable[[], T]:
        """The same without waiting: call what comes back for the answer. While it is on its way
        the page is drawn, and other queries are answered.

        query: reads nothing of the visitor; it runs in a thread of its own.
        """
        reader = self._reader()
        sent = _QUERIES.submit(query, reader)
        return lambda: self._settled(query, reader, sent.result)

    def _reader(self) -> Client:
        token = visitor.token()
        return self.client if token is None else self.client.after(token)

    def _settled(self, query: Callable[[Client], T], reader: Client, first: Callable[[], T]) -> T:
        has_written = reader is not self.client
        try:
            answer = first()
        except ApiError as error:
            if not has_written or error.status not in (_TOO_EARLY, _ANOTHER_LOG):
                raise
            if error.status == _ANOTHER_LOG:
                visitor.forget_token()
            visitor.note_behind(error.status == _TOO_EARLY)
            # No second wait: an older answer with a note beats a page that stands still.
            return query(self.client)
        if has_written:
            visitor.note_behind(False)
        return answer
