"""The Open Inference Protocol (version 2, as KServe, Triton and Seldon speak it): tensors in,
tensors out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from reelstream.contract.base import Answer, Query, Whole
from reelstream.ratings.events import MAX_ID

ModelName = Annotated[
    Literal["regression", "classification", "clustering"],
    Field(description="The model, by its public name.", examples=["regression"]),
]
Version = Annotated[
    int,
    Field(ge=1, le=MAX_ID, description="The number of a model set that is kept.", examples=[1]),
    Whole,
]
Datatype = Literal["INT64", "INT32", "UINT64", "UINT32", "BYTES"]


class ModelQuery(Query):
    """A model of the set in service."""

    name: ModelName


class ModelVersionQuery(ModelQuery):
    """A model of one set."""

    version: Version


class InputTensor(Query):
    """One column of a query."""

    name: Annotated[Literal["userId", "movieId"], Field(description="What it holds.")]
    shape: Annotated[
        list[Annotated[int, Field(ge=0), Whole]],
        Field(min_length=1, max_length=2, description="[n], or [n, 1]."),
    ]
    datatype: Annotated[Datatype, Field(description="INT64 for numbers, BYTES for texts.")]
    data: Annotated[list[Any], Field(description="n ids; for [n, 1] perhaps each in a list.")]
    parameters: Annotated[dict[str, Any], Field(description="Ignored.")] = Field(
        default_factory=dict
    )


class OutputRequest(Query):
    """One column that is wanted."""

    name: str
    parameters: Annotated[dict[str, Any], Field(description="Ignored.")] = Field(
        default_factory=dict
    )


class InferQuery(ModelQuery):
    """Queries to one model, as columns."""

    id: Annotated[str | None, Field(max_length=200, description="Comes back.")] = None
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=2)]
    outputs: Annotated[
        list[OutputRequest], Field(max_length=10, description="All when absent.")
    ] = Field(default_factory=list)
    parameters: Annotated[dict[str, Any], Field(description="Ignored.")] = Field(
        default_factory=dict
    )


class InferVersionQuery(InferQuery):
    """The same of one set."""

    version: Version


class OutputTensor(Answer):
    """One column of an answer."""

    name: str
    shape: list[int]
    datatype: Literal["FP64", "INT64", "BYTES"]
    data: list[Any]


class InferAnswer(Answer):
    """Answers as columns."""

    model_name: str
    model_version: Annotated[str, Field(description="The number of the model set.")]
    id: str | None
    outputs: list[OutputTensor]


class TensorMetadata(Answer):
    """What a column holds."""

    name: str
    datatype: str
    shape: Annotated[list[int], Field(description="-1: any number.")]


class ModelMetadata(Answer):
    """What a model takes and answers."""

    name: str
    versions: Annotated[list[str], Field(description="Numbers of the model sets that are kept.")]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(Answer):
    """What answers here."""

    name: str
    version: str
    extensions: list[str]


class LiveAnswer(Answer):
    """Whether the server answers."""

    live: bool


class ReadyAnswer(Answer):
    """Whether queries can be answered."""

    ready: bool
