"""What columns are called: a file's header is believed or refused, never half used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from reelstream.errors import DatasetError

RATING_ROLES: Final = ("user", "item", "rating", "timestamp")
ROLES: Final = (*RATING_ROLES, "title", "genres", "year")
HOW_TO_NAME: Final = "--columns user=…,item=…,rating=…,timestamp=…"

# As `plain_name` has them; of several in one header the first here counts, and a note says so.
COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "user": (
        "userid",
        "user",
        "uid",
        "userno",
        "customerid",
        "customer",
        "reviewerid",
        "reviewer",
        "memberid",
        "member",
        "accountid",
        "profileid",
        "visitorid",
        "personid",
        "raterid",
    ),
    "item": (
        "movieid",
        "itemid",
        "movie",
        "item",
        "filmid",
        "film",
        "bookid",
        "book",
        "animeid",
        "anime",
        "isbn",
        "isbn13",
        "asin",
        "productid",
        "product",
        "songid",
        "trackid",
        "artistid",
        "albumid",
        "gameid",
        "showid",
        "seriesid",
        "businessid",
        "restaurantid",
        "recipeid",
        "jokeid",
        "beerid",
        "articleid",
        "videoid",
        "courseid",
        "placeid",
        "iid",
        "parentasin",
        "titleid",
    ),
    "rating": (
        "rating",
        "ratings",
        "userrating",
        "bookrating",
        "movierating",
        "ratingvalue",
        "score",
        "userscore",
        "reviewscore",
        "ratingscore",
        "stars",
        "starrating",
        "star",
        "overall",
        "reviewrating",
        "myrating",
        "myscore",
        "grade",
    ),
    "timestamp": (
        "timestamp",
        "ratingtimestamp",
        "unixreviewtime",
        "unixtime",
        "time",
        "ratingtime",
        "datetime",
        "date",
        "ratingdate",
        "reviewtime",
        "reviewdate",
        "ratedat",
        "createdat",
        "createdon",
        "eventtime",
        "timestampms",
        "ts",
        "tstamp",
        "epoch",
    ),
    "title": (
        "title",
        "movietitle",
        "filmtitle",
        "booktitle",
        "animetitle",
        "producttitle",
        "name",
        "moviename",
        "itemname",
        "productname",
        "originaltitle",
    ),
    "genres": (
        "genres",
        "genre",
        "listedin",
        "categories",
        "category",
    ),
    "year": (
        "releasedate",
        "year",
        "releaseyear",
        "yearofpublication",
        "publicationyear",
        "originalpublicationyear",
        "publicationdate",
        "yearpublished",
        "releasedyear",
        "startyear",
        "published",
        "date",
    ),
}


def plain_name(name: str) -> str:
    """A column's name without what writers differ in: case, spaces, signs.

    >>> plain_name(" User-ID")
    'userid'
    """
    return re.sub(r"[\W_]+", "", name.lower())


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """Which columns a person named, by role; the others go by the names that are known."""

    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> ColumnNames:
        """From `user=who,item=what`: names of the header, or numbers that count from 1.

        Raises DatasetError.
        """
        given = {}
        for part in text.split(","):
            role, equals, name = part.partition("=")
            if not equals or role.strip() not in ROLES or not name.strip():
                raise DatasetError(
                    f"--columns {text!r}: {part!r} is not one of {', '.join(ROLES)}, an equals "
                    f"sign and a column; write {HOW_TO_NAME}"
                )
            given[role.strip()] = name.strip()
        return cls(given)

    @property
    def by_number(self) -> bool:
        """Whether the columns are given by their numbers."""
        return any(name.isdecimal() for name in self.given.values())

    def __str__(self) -> str:
        return ",".join(f"{role}={name}" for role, name in self.given.items())

    def find(self, header: Sequence[str], roles: Iterable[str]) -> FoundColumns:
        """Where the columns of these roles are among the names in `header`."""
        plain = [plain_name(name) for name in header]
        places, notes = {}, []
        for role in roles:
            # What a person named is never replaced by a guess.
            if role in self.given:
                if plain_name(self.given[role]) in plain:
                    places[role] = plain.index(plain_name(self.given[role]))
                continue
            named = [plain.index(name) for name in COLUMN_NAMES[role] if name in plain]
            if named:
                places[role] = named[0]
                # A date and a year of release say the same: there is nothing to tell.
                others = [header[place] for place in named[1:] if role != "year"]
                if others:
                    notes.append(
                        f"{header[named[0]]} is taken for the {role}, not {' or '.join(others)}: "
                        f"--columns {role}=… names another"
                    )
        return FoundColumns(places, tuple(notes))

    def positions(self, n_columns: int) -> dict[str, int]:
        """The columns that are given by numbers, counted from 0."""
        return {
            role: int(name) - 1
            for role, name in self.given.items()
            if re.fullmatch(r"[0-9]{1,4}", name) and 1 <= int(name) <= n_columns
        }


@dataclass(frozen=True, slots=True)
class FoundColumns:
    """The columns of a header that were found."""

    places: Mapping[str, int]
    """Number of the column by role."""
    notes: tuple[str, ...] = ()
    """What a person should know of the choice."""


# Nobody named a column.
NO_NAMES: Final = ColumnNames()
