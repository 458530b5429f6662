"""Ids of users and items: numbers as they are, or texts such as UUIDs, ISBNs and ASINs.

Everything inside works on int64. A text becomes one by a hash: the first 63 bits of its SHA-256,
the same in every process, in Spark's SQL and in any other language. Files, messages and answers
hold the text, and whoever reads one translates it here.

>>> ids = Ids.of_kinds("number", "text")
>>> ids.user.read("862"), ids.item.read("0155061224")
(862, 543567324113768975)
>>> ids.item.show(543567324113768975)
'0155061224'
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from reelstream.errors import RatingError
from reelstream.ratings.values import read_id

IdKind: TypeAlias = Literal["number", "text"]
# Of users, and of items.
IdKinds: TypeAlias = tuple[IdKind, IdKind]
# An id as it stands in messages and answers.
Id: TypeAlias = int | str

MAX_ID_CHARACTERS: Final = 200
# Stands for a text that is no id, where many are read at once.
NO_ID: Final = -1

# Ids that somebody asked for and nobody rated: remembered for the answer, and not for ever. Several
# times as many as one request may hold.
_MAX_ASKED = 100_000
_HASH_BITS = 63
# What a log, a file of lines or a terminal could not hold in one piece, and halves of characters.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def hash_of(text: str) -> int:
    """The int64, 0 or above, that a text id is inside: the first 63 bits of its SHA-256.

    >>> hash_of("0155061224")
    543567324113768975
    """
    return int.from_bytes(sha256(text.encode()).digest()[:8]) >> (64 - _HASH_BITS)


@dataclass(frozen=True, slots=True)
class NumberIds:
    """Ids of one role that are whole numbers: inside they are what they are outside."""

    name: str
    """Of their field: `userId` or `movieId`."""
    kind: Literal["number"] = "number"

    def read(self, value: str | float) -> int:
        """The id that a cell or a JSON value stands for. Raises RatingError."""
        return read_id(self.name, value)

    def look_up(self, value: str | float) -> int:
        """The same."""
        return read_id(self.name, value)

    def show(self, number: int) -> int:
        """The id as people know it."""
        return number

    def write(self, number: int) -> int:
        """The same, for a message or a file."""
        return number

    def key(self, number: int) -> bytes:
        """The id as the key of a record."""
        return b"%d" % number


@dataclass(slots=True, eq=False)
class TextIds:
    """Ids of one role that are texts, with all of them that are known; for many threads.

    Two texts with one hash would be one user or item: the one that comes second is refused.
    """

    name: str
    kind: Literal["text"] = "text"
    _texts: dict[int, str] = field(default_factory=dict, repr=False)
    _numbers: dict[str, int] = field(default_factory=dict, repr=False)
    _asked: OrderedDict[int, str] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, value: str | float) -> int:
        """The number of an id that is stored from now on. Raises RatingError for what is no id,
        and for a text whose hash another one has.
        """
        text = self._text(value)
        number = self._numbers.get(text)
        if number is None:
            number = hash_of(text)
            self._refuse_another(text, self._texts.setdefault(number, text))
            self._numbers[text] = number
        return number

    def look_up(self, value: str | float) -> int:
        """The same of an id that is only asked for: it is remembered for a while. Raises
        RatingError.
        """
        text = self._text(value)
        number = self._numbers.get(text)
        if number is None:
            number = hash_of(text)
            self._refuse_another(text, self._texts.get(number, text))
            with self._lock:
                self._asked[number] = text
                self._asked.move_to_end(number)
                if len(self._asked) > _MAX_ASKED:
                    self._asked.popitem(last=False)
        return number

    def read_all(self, texts: Iterable[str | None]) -> NDArray[np.int64]:
        """The numbers (n,) of many texts; NO_ID for what `read` refuses."""
        known = self._numbers
        return np.array(
            [known.get(each or "") or self._read_or_none(each) for each in texts], np.int64
        )

    def learn(self, texts: Iterable[str]) -> None:
        """Know the ids that a file names. They count, whatever was read before."""
        for text in texts:
            if text not in self._numbers:
                number = hash_of(text)
                other = self._texts.get(number)
                if other is not None:
                    self._numbers.pop(other, None)
                self._texts[number] = text
                self._numbers[text] = number

    def show(self, number: int) -> str:
        """The text of an id that was read."""
        text = self._texts.get(number) or self._asked.get(number)
        return f"#{number}" if text is None else text

    def write(self, number: int) -> str:
        """The text of an id for a message or a file: it is stored from now on. Raises RatingError
        for one that was never read, rather than store something else.
        """
        text = self._texts.get(number)
        if text is None:
            text = self._asked.get(number)
            if text is None:
                raise RatingError(f"the text of {self.name} #{number} is not known")
            self.read(text)
        return text

    def key(self, number: int) -> bytes:
        """The id as the key of a record: its UTF-8, as Kafka's Java clients write a string."""
        return self.write(number).encode()

    def texts_of(self, numbers: NDArray[np.int64]) -> list[str]:
        """The texts of n ids, in their order."""
        return list(map(self.show, numbers.tolist()))

    def beginning_with(self, text: str, among: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
        """At most `limit` of the ids `among` (n,) whose text begins so, in any case; in order of
        their texts.
        """
        wanted = text.casefold()
        found = sorted(
            (shown, number)
            for number in among.tolist()
            if (shown := self.show(number)).casefold().startswith(wanted)
        )
        return np.array([number for _, number in found[:limit]], np.int64)

    def _text(self, value: str | float) -> str:
        if not isinstance(value, str):
            if value != value // 1:
                raise RatingError(f"{self.name} {value:g} is neither a text nor a whole number")
            value = str(int(value))
        text = value.strip()
        if not text:
            raise RatingError(f"{self.name} is empty")
        if len(text) > MAX_ID_CHARACTERS:
            raise RatingError(
                f"{self.name} {text[:40]!r} is longer than {MAX_ID_CHARACTERS} characters"
            )
        if _UNFIT.search(text):
            raise RatingError(f"{self.name} {text[:40]!r} holds control characters")
        return text

    def _read_or_none(self, text: str | None) -> int:
        try:
            return NO_ID if text is None else self.read(text)
        except RatingError:
            return NO_ID

    def _refuse_another(self, text: str, known: str) -> None:
        if text != known:
            raise RatingError(
                f"{self.name} {text[:40]!r} has the hash of {known[:40]!r}: two ids would be one"
            )


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids of a stream: of its users, and of its items."""

    user: NumberIds | TextIds
    item: NumberIds | TextIds

    @property
    def kinds(self) -> IdKinds:
        """What they are."""
        return self.user.kind, self.item.kind

    @classmethod
    def of_kinds(cls, user: IdKind = "number", item: IdKind = "number") -> Ids:
        """Ids of these kinds, of which none is known yet."""
        return cls(_of_kind(user, "userId"), _of_kind(item, "movieId"))


def _of_kind(kind: IdKind, name: str) -> NumberIds | TextIds:
    return TextIds(name) if kind == "text" else NumberIds(name)


# What MovieLens has; nothing is remembered of numbers, so all may share it.
NUMBERS: Final = Ids.of_kinds()
