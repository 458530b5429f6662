"""Ids of users and items in queries and answers.

A data set's ids are numbers or texts. Handlers work with the number that an id is inside, JSON and
URLs hold what people know: the types translate, with the stream's `Ids` as pydantic's context, on
both ways. Without a context, as in a client, an id stays as it is.

>>> from pydantic import TypeAdapter
>>> ids = Ids.of_kinds("number", "text")
>>> TypeAdapter(ItemIdValue).validate_python("0155061224", context=ids)
543567324113768975
>>> TypeAdapter(ShownItemValue).dump_python(543567324113768975, context=ids)
'0155061224'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, SerializationInfo, ValidationInfo, WrapValidator
from pydantic.fields import FieldInfo
from pydantic.functional_validators import ModelWrapValidatorHandler

from reelstream.errors import RatingError
from reelstream.ratings.events import MAX_ID
from reelstream.ratings.ids import MAX_ID_CHARACTERS, Id, Ids, TextIds

Role = Literal["user", "item"]

# JavaScript cannot write numbers above 2^53, so an id may be a text of digits; more digits are too
# many for any id.
_WHOLE_TEXT = re.compile(r"(0|[1-9][0-9]{0,39})(?:\.0*)?")

# Under this key a schema says whose id it is, and whether of a query or an answer: `openapi`
# replaces it by what the stream's ids are.
SCHEMA_KEY = "x-id"


def whole(value: Any) -> Any:
    """In JSON, 1.0 is the integer 1."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _reader(role: Role) -> Callable[[Any, ModelWrapValidatorHandler[Any], ValidationInfo], Any]:
    def read(value: Any, check: ModelWrapValidatorHandler[Any], info: ValidationInfo) -> Any:
        ids = getattr(info.context, role, None)
        if isinstance(ids, TextIds):
            # In Python, True is an int.
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise ValueError("an id is a text, or a whole number")
            try:
                return check(ids.look_up(value))
            except RatingError as error:
                raise ValueError(str(error)) from error
        if ids is None and isinstance(value, str):
            return value
        match = _WHOLE_TEXT.fullmatch(value) if isinstance(value, str) else None
        return check(int(match[1]) if match else whole(value))

    return read


def _shower(role: Role) -> Callable[[Any, SerializationInfo], Any]:
    def show(value: Any, info: SerializationInfo) -> Any:
        ids = getattr(info.context, role, None)
        return value if ids is None or isinstance(value, str) else ids.show(value)

    return show


def _query_schema(role: Role) -> Any:
    return Field(ge=0, le=MAX_ID, json_schema_extra={SCHEMA_KEY: f"{role} query"})


def _answer_schema(role: Role) -> Any:
    return Field(json_schema_extra={SCHEMA_KEY: f"{role} answer"})


_UserIn, _ItemIn = WrapValidator(_reader("user")), WrapValidator(_reader("item"))
_UserOut = PlainSerializer(_shower("user"), return_type=Id)
_ItemOut = PlainSerializer(_shower("item"), return_type=Id)

# In queries. A client's hold the id as people know it.
UserIdValue = Annotated[int, _query_schema("user"), _UserIn, _UserOut]
ItemIdValue = Annotated[int, _query_schema("item"), _ItemIn, _ItemOut]
UserId = Annotated[UserIdValue, Field(alias="userId", description="The user's id.", examples=[1])]
ItemId = Annotated[ItemIdValue, Field(alias="movieId", description="The film's id.", examples=[31])]

# In answers: a number of ours becomes what people know.
ShownUserValue = Annotated[Id, _answer_schema("user"), _UserOut]
ShownItemValue = Annotated[Id, _answer_schema("item"), _ItemOut]
ShownUserId = Annotated[ShownUserValue, Field(alias="userId", description="The user's id.")]
ShownItemId = Annotated[ShownItemValue, Field(alias="movieId", description="The film's id.")]


def is_id(field: FieldInfo) -> bool:
    """Whether a field of a query is an id."""
    said = field.json_schema_extra
    return isinstance(said, dict) and SCHEMA_KEY in said


def schema_of_id(said: str, ids: Ids) -> dict[str, Any]:
    """The JSON schema of an id, by what its schema says under SCHEMA_KEY."""
    role, direction = said.split()
    if getattr(ids, role).kind == "text":
        return {"type": "string", "minLength": 1, "maxLength": MAX_ID_CHARACTERS}
    number = {"type": "integer", "minimum": 0, "maximum": MAX_ID}
    if direction == "answer":
        return number
    # 18 digits are always in the range, and more are taken as far as they are.
    return {"anyOf": [number, {"type": "string", "pattern": r"^(0|[1-9][0-9]{0,17})(\.0*)?$"}]}
