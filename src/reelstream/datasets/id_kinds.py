"""Whether the ids in a file are numbers or texts, found from the values themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from reelstream.datasets.headers import plain_name
from reelstream.ratings.ids import IdKind, Ids

# Among numbers, up to so many texts in 100 are taken for broken numbers, and so are up to so many
# in all, as in a file of a few rows, unless nearly every second id is a text.
_MAX_ODD_PERCENT = 2
_MAX_ODD = 20
_MIN_TEXT_PERCENT = 40

_NUMBER = re.compile(r"[+-]?(0|[1-9][0-9]*)(\.[0-9]*)?([eE][+-]?[0-9]+)?")
# What programs write where there is no value.
_NOTHING = {"", "nan", "null", "none", "na", "n/a", "nil", r"\n", "undefined"}


def recognise_kind(sampled: Iterable[str], column: str | None) -> IdKind:
    """The kind of sampled ids; `column` is what the header calls them.

    Whole numbers without leading zeros are numbers, however they are written. A few others among
    many numbers are taken for broken, and will be rejected.
    """
    n_numbers = n_texts = 0
    for value in map(str.strip, sampled):
        if _NUMBER.fullmatch(value):
            n_numbers += 1
        # Files that were joined repeat their header.
        elif value.lower() not in _NOTHING and plain_name(value) != plain_name(column or ""):
            n_texts += 1
    percent = 100 * n_texts / max(1, n_numbers + n_texts)
    are_many = percent > _MAX_ODD_PERCENT and n_texts > _MAX_ODD
    return "text" if are_many or percent >= _MIN_TEXT_PERCENT else "number"


def notes_on_kinds(ids: Ids) -> Iterator[str]:
    """What a person should know of ids that are texts."""
    for role, kind in (("user", ids.user.kind), ("item", ids.item.kind)):
        if kind == "text":
            yield (
                f"ids of {role}s are texts, each exactly as it is written, as some are no whole "
                f"numbers or have leading zeros; --{role}-ids number would reject these"
            )
