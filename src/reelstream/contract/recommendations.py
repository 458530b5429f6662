"""Queries and answers about which films to watch next."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from reelstream.contract.base import (
    LIMIT_NAMES,
    Answer,
    Limit,
    NextOffset,
    Offset,
    Query,
    Time,
    Whole,
)
from reelstream.contract.ids import (
    ItemId,
    ItemIdValue,
    ShownItemId,
    ShownItemValue,
    ShownUserId,
    ShownUserValue,
    UserId,
    UserIdValue,
)
from reelstream.contract.predictions import Basis
from reelstream.strategies import MAX_GROUP, MAX_RECOMMENDATIONS, GroupRule, Strategy

MAX_EXCLUDED = 1_000

_Year = Annotated[int, Field(ge=1, le=9999), Whole]


class _WantedFilms(Query):
    limit: Limit = 10
    offset: Annotated[
        int,
        Field(ge=0, le=MAX_RECOMMENDATIONS - 1, description="How many of the best to leave out."),
        Whole,
    ] = 0
    strategy: Annotated[
        Strategy,
        Field(
            description="best: likely to be chosen and liked; rating: the expected stars alone; "
            "cautious: the lower bound of the stars among the likely chosen; explore: best, with "
            "chance where little is known."
        ),
    ] = "best"
    year_from: Annotated[_Year | None, Field(description="Films of this year or later.")] = None
    year_to: Annotated[_Year | None, Field(description="Films of this year or earlier.")] = None
    variety: Annotated[
        float,
        Field(ge=0, le=1, description="From 0, the best films, to 1: how little alike they are."),
    ] = 0.0
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Of explore."), Whole] = 0
    at: Annotated[
        Time | None, Field(description="For a time in seconds since 1970; now when absent.")
    ] = None


class RecommendationsQuery(_WantedFilms):
    """Films for a user."""

    user_id: UserId
    list_id: Annotated[
        str | None,
        Field(
            pattern=r"^\w{1,40}$",
            description="Go on with this list, an earlier answer's: with `offset`, its `next`. "
            "Whatever came before in it is not listed again, though ratings came in between.",
        ),
    ] = None
    include_rated: Annotated[
        bool, Field(description="Whether films stay that the user has rated; for rating alone.")
    ] = False
    genre: Annotated[
        str, Field(max_length=200, description="Films with one of these, with commas between them.")
    ] = ""
    exclude: Annotated[
        str,
        Field(
            max_length=2_000,
            description="Ids of films to leave out, with commas between them.",
        ),
    ] = ""
    without: Annotated[
        str,
        Field(
            max_length=2_000,
            description="Ids of films whose ratings by the user do not count, with commas between "
            "them: what the list would be without them. They are left out of it.",
        ),
    ] = ""


class OwnRating(Query):
    """A rating by somebody who is not in the stream."""

    item_id: ItemId
    rating: Annotated[float, Field(description="On the data set's scale.")]
    timestamp: Annotated[
        Time | None, Field(description="Seconds since 1970, UTC; now when absent.")
    ] = None


class AnonymousQuery(_WantedFilms):
    """Films for somebody who is not in the stream."""

    ratings: Annotated[
        list[OwnRating],
        Field(
            max_length=MAX_EXCLUDED,
            description="What he or she thinks of films; nothing of it is kept.",
            examples=[[{"movieId": 31, "rating": 4.5}]],
        ),
    ]
    genres: Annotated[list[str], Field(max_length=50, description="Films with one of these.")] = (
        Field(default_factory=list)
    )
    exclude: Annotated[
        list[ItemIdValue], Field(max_length=MAX_EXCLUDED, description="Ids of films to leave out.")
    ] = Field(default_factory=list)


class GroupQuery(_WantedFilms):
    """Films for several users together."""

    users: Annotated[
        list[UserIdValue],
        Field(min_length=1, max_length=MAX_GROUP, description="Their ids.", examples=[[1, 2]]),
    ]
    rule: Annotated[
        GroupRule,
        Field(
            description="mean: of what each makes of a film; least_misery: what the one makes of "
            "it who likes it least."
        ),
    ] = "mean"
    genres: Annotated[list[str], Field(max_length=50, description="Films with one of these.")] = (
        Field(default_factory=list)
    )
    exclude: Annotated[
        list[ItemIdValue], Field(max_length=MAX_EXCLUDED, description="Ids of films to leave out.")
    ] = Field(default_factory=list)


class MemberPrediction(Answer):
    """What one user of a group makes of a film."""

    user_id: ShownUserId
    prediction: Annotated[float, Field(description="The expected rating.")]
    sd: Annotated[float, Field(ge=0, description="Its standard deviation.")]
    probability: Annotated[float, Field(ge=0, le=1, description="Of a like, once watched.")]


class GroupFilm(Answer):
    """One film, and what each makes of it."""

    item_id: ShownItemId
    title: str | None
    score: Annotated[float, Field(description="What the list is ranked by.")]
    members: Annotated[list[MemberPrediction], Field(description="In the order of their ids.")]


class GroupAnswer(Answer):
    """Films for several users, the best first."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    items: list[GroupFilm]
    next: NextOffset


class Reason(Answer):
    """A rated film, and its part in bringing up another."""

    item_id: ShownItemId
    title: str | None
    share: Annotated[float, Field(description="Of what all own films add.")]


class RecommendedFilm(Answer):
    """One film, and why."""

    item_id: ShownItemId
    title: str | None
    score: Annotated[float, Field(description="What the list is ranked by.")]
    choice: Annotated[
        float, Field(description="The probability that it is watched next, of all not rated yet.")
    ]
    parts: Annotated[
        dict[str, float],
        Field(
            description="What that probability is made of, as shares of it: history, what the same "
            "people watch; sitting, what goes with the films rated just now; popularity; any film."
        ),
    ]
    prediction: Annotated[float, Field(description="The expected rating.")]
    sd: Annotated[float, Field(ge=0, description="Its standard deviation.")]
    probability: Annotated[float, Field(ge=0, le=1, description="Of a like, once watched.")]
    reasons: Annotated[
        list[Reason], Field(description="Own films that brought it up, the strongest first.")
    ]


class RecommendationsAnswer(Answer):
    """Films for a user, the best first."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    basis: Basis
    user_id: Annotated[
        ShownUserValue | None,
        Field(alias="userId", description="null: somebody who is not in the stream."),
    ]
    list_id: Annotated[
        str | None, Field(description="For the next page; null: nothing was kept of the list.")
    ] = None
    items: list[RecommendedFilm]
    next: NextOffset
    ignored: Annotated[
        list[ShownItemValue],
        Field(description="Rated films of which nothing is known: they change nothing."),
    ]


class SimilarQuery(Query):
    """Films that the same people watch."""

    item_id: ItemId
    limit: Limit = 10
    offset: Offset = 0


class SimilarFilm(Answer):
    """A film, and how much it is like another."""

    item_id: ShownItemId
    title: str | None
    score: Annotated[
        float, Field(description="Partial correlation of being rated, given all other films.")
    ]


class SimilarAnswer(Answer):
    """The films most like one, the most similar first."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    item_id: ShownItemId
    title: str | None
    items: list[SimilarFilm]
    next: NextOffset = None


class QuestionsQuery(Query):
    """Films to ask somebody about."""

    user_id: UserId
    limit: Annotated[
        int,
        Field(
            ge=1,
            le=50,
            description="How many films; `n` is the same.",
            validation_alias=LIMIT_NAMES,
        ),
        Whole,
    ] = 10


class QuestionFilm(Answer):
    """A film to ask about."""

    item_id: ShownItemId
    title: str | None


class QuestionsAnswer(Answer):
    """The films whose rating would tell most about a user, the most telling first."""

    model_set: Annotated[int, Field(description="The number of the model set that answers.")]
    user_id: ShownUserId
    items: list[QuestionFilm]
