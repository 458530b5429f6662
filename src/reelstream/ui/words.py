"""What the page says, in the visitor's language: texts, numbers and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from reelstream.ui.texts import LANGUAGES, TEXTS

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@dataclass(frozen=True)
class Words:
    """The texts of one language, and how it writes numbers and times."""

    language: str
    """One of LANGUAGES."""

    @property
    def texts(self) -> Mapping[str, str]:
        """Key -> text, with names in braces for what is put in."""
        return TEXTS[self.language]

    def __call__(self, key: str, **values: object) -> str:
        """The text of `key`; numbers are put in as they are, so format them first."""
        return self.texts[key].format(**values)

    def count(self, key: str, n: int) -> str:
        """`1 rating`, `2,698 ratings`: a text of the form `one|many`, with `{n}` in it."""
        one, _, many = self.texts[f"n.{key}"].partition("|")
        return (one if n == 1 or not many else many).format(n=self.number(n))

    def number(self, n: float) -> str:
        """A whole number with its thousands apart."""
        return self._localized(f"{n:,.0f}")

    def decimal(self, x: float, digits: int = 2) -> str:
        """A number with so many digits after its point."""
        return self._localized(f"{x:,.{digits}f}")

    def signed(self, x: float) -> str:
        """A difference with its sign, as `+0.31`."""
        return ("+" if x >= 0 else "−") + self.decimal(abs(x))

    def score(self, x: float | None) -> str:
        """A score with three digits, or a dash where there is none."""
        return "–" if x is None else self.decimal(x, 3)

    def rating(self, x: float) -> str:
        """A rating of the scale, as short as it can be written: `4` or `4.5`."""
        return self._localized(f"{x:g}")

    def percent(self, share: float) -> str:
        """A share as a whole percentage."""
        return f"{share:.0%}"

    def age(self, seconds: float) -> str:
        """A span of time in its largest whole unit; a clock that is late gives 0 s."""
        for key, length in (("days", _DAY), ("hours", _HOUR), ("minutes", _MINUTE)):
            if seconds >= length:
                return self.count(key, int(seconds // length))
        return self.count("seconds", max(0, int(seconds)))

    def day(self, timestamp: float) -> str:
        """Seconds since 1970, UTC, as `3 May 2001`."""
        then = datetime.fromtimestamp(timestamp, UTC)
        return f"{then.day} {self._month(then)} {then.year}"

    def day_and_time(self, timestamp: float) -> str:
        """Seconds since 1970, UTC, as `3 May, 14:05:12`."""
        then = datetime.fromtimestamp(timestamp, UTC)
        return f"{then.day} {self._month(then)}, {then:%H:%M:%S}"

    def clock(self, timestamp: float) -> str:
        """Seconds since 1970, UTC, as `14:05:12`."""
        return f"{datetime.fromtimestamp(timestamp, UTC):%H:%M:%S}"

    def _month(self, then: datetime) -> str:
        return self.texts["months"].split()[then.month - 1]

    def _localized(self, written: str) -> str:
        # Point and comma change places where the language has a decimal comma.
        if self.texts["decimal"] == ",":
            return written.translate(str.maketrans(",.", ".,"))
        return written


def language_of(locale: str | None) -> str:
    """The language for a browser's locale such as `id-ID`: English where the page knows no better.

    >>> language_of("id-ID"), language_of("fr"), language_of(None)
    ('id', 'en', 'en')
    """
    # `in` is the name that older browsers have for Indonesian.
    tag = (locale or "").replace("_", "-").split("-")[0].lower().replace("in", "id")
    return tag if tag in LANGUAGES else next(iter(LANGUAGES))
