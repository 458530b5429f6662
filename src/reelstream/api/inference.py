"""/v2: the Open Inference Protocol, over the same operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from reelstream import __version__
from reelstream.api.problems import refusal
from reelstream.api.resource import Resource
from reelstream.api.service import Service
from reelstream.contract import (
    MAX_QUERIES,
    InferAnswer,
    InferQuery,
    InferVersionQuery,
    InputTensor,
    LiveAnswer,
    ModelMetadata,
    ModelQuery,
    ModelVersionQuery,
    NoQuery,
    OutputTensor,
    ProblemType,
    ReadyAnswer,
    ServerMetadata,
    TensorMetadata,
)
from reelstream.contract.base import DIGITS
from reelstream.contract.inference import ModelName
from reelstream.errors import RatingError, SettingError, UnknownItemError
from reelstream.ratings.events import check_id
from reelstream.ratings.ids import NumberIds, TextIds
from reelstream.serving.predictor import Prediction, PredictionQuery
from reelstream.storage.api_keys import Scope

resource = Resource()


class _Column(NamedTuple):
    """One output of a model of pairs."""

    datatype: str
    of: Callable[[Prediction], float]


# Output -> what it is; segments are no predictions of a pair.
_OUTPUTS: Mapping[str, Mapping[str, _Column]] = {
    "regression": {
        "prediction": _Column("FP64", lambda found: found.mean),
        "sd": _Column("FP64", lambda found: found.sd),
        "low": _Column("FP64", lambda found: found.low),
        "high": _Column("FP64", lambda found: found.high),
    },
    "classification": {
        "probability": _Column("FP64", lambda found: found.like_probability),
    },
}
_SEGMENT_OUTPUTS = {"segment": "INT64", "label": "BYTES"}


@resource.get("/v2", NoQuery, ServerMetadata, scope=Scope.READ, waits=False)
def server(service: Service, _: NoQuery) -> ServerMetadata:
    """What answers here."""
    return ServerMetadata(name="reelstream", version=__version__, extensions=[])


@resource.get("/v2/health/live", NoQuery, LiveAnswer, scope=Scope.READ, waits=False)
def live(service: Service, _: NoQuery) -> LiveAnswer:
    """Whether the process answers."""
    return LiveAnswer(live=True)


@resource.get(
    "/v2/health/ready",
    NoQuery,
    ReadyAnswer,
    scope=Scope.READ,
    waits=False,
    other_answers={503: ReadyAnswer},
)
def ready(service: Service, _: NoQuery) -> tuple[ReadyAnswer, int]:
    """Whether queries can be answered; 503 until a model set is loaded."""
    return _ready(service)


@resource.get("/v2/models/{name}", ModelQuery, ModelMetadata, scope=Scope.READ, waits=False)
def model(service: Service, query: ModelQuery) -> ModelMetadata:
    """What a model takes and answers."""
    return _describe(service, query.name)


@resource.get(
    "/v2/models/{name}/ready",
    ModelQuery,
    ReadyAnswer,
    scope=Scope.READ,
    waits=False,
    other_answers={503: ReadyAnswer},
)
def model_ready(service: Service, query: ModelQuery) -> tuple[ReadyAnswer, int]:
    """Whether a model can be asked; 503 until a model set is loaded."""
    return _ready(service)


@resource.post(
    "/v2/models/{name}/infer", InferQuery, InferAnswer, scope=Scope.READ, problems=(404, 503)
)
def infer(service: Service, query: InferQuery) -> InferAnswer:
    """Answers of the set in service, as columns."""
    return _infer(service, query)


@resource.post(
    "/v2/models/{name}/versions/{version}/infer",
    InferVersionQuery,
    InferAnswer,
    scope=Scope.READ,
    problems=(404,),
)
def infer_version(service: Service, query: InferVersionQuery) -> InferAnswer:
    """The same of one model set, while it is kept."""
    return _infer(_as_of(service, query.version), query)


@resource.get(
    "/v2/models/{name}/versions/{version}",
    ModelVersionQuery,
    ModelMetadata,
    scope=Scope.READ,
    waits=False,
    problems=(404,),
)
def version(service: Service, query: ModelVersionQuery) -> ModelMetadata:
    """What a model of one set takes and answers."""
    _check_kept(service, query.version)
    return _describe(service, query.name)


def _ready(service: Service) -> tuple[ReadyAnswer, int]:
    is_ready = service.predictor.number is not None
    return ReadyAnswer(ready=is_ready), 200 if is_ready else 503


def _describe(service: Service, name: ModelName) -> ModelMetadata:
    numbers = [str(release.number) for release in service.model_sets.releases()]
    ids = {"userId": service.ids.user.kind, "movieId": service.ids.item.kind}
    inputs = {
        name: "BYTES" if kind == "text" else "INT64"
        for name, kind in ids.items()
        if name in _inputs(name)
    }
    return ModelMetadata(
        name=name,
        versions=numbers,
        platform="reelstream",
        inputs=_metadata(inputs),
        outputs=_metadata(_output_types(name)),
    )


def _infer(service: Service, query: InferQuery) -> InferAnswer:
    columns: dict[str, list[int]] = {tensor.name: _ids(service, tensor) for tensor in query.inputs}
    wanted = _inputs(query.name)
    lengths = {len(column) for column in columns.values()}
    if columns.keys() != set(wanted) or len(query.inputs) != len(wanted) or len(lengths) != 1:
        detail = f"{query.name} takes the inputs {' and '.join(wanted)}, of one length, each once"
        raise refusal(ProblemType.INVALID_QUERY, detail)
    number, answers = _answers(service, query.name, columns)
    asked = {output.name for output in query.outputs}
    if unknown := sorted(asked - answers.keys()):
        detail = f"{query.name} has no output {unknown[0]!r}: it has {', '.join(answers)}"
        raise refusal(ProblemType.INVALID_QUERY, detail)
    types = _output_types(query.name)
    return InferAnswer(
        model_name=query.name,
        model_version=str(number),
        id=query.id,
        outputs=[
            OutputTensor(name=name, shape=[len(data)], datatype=types[name], data=data)
            for name, data in answers.items()
            if not asked or name in asked
        ],
    )


def _check_kept(service: Service, number: int) -> None:
    try:
        service.model_sets.unpruned_release(number)
    except SettingError as error:
        raise refusal(ProblemType.UNKNOWN_MODEL_SET, str(error)) from error


def _as_of(service: Service, number: int) -> Service:
    _check_kept(service, number)
    return service.as_of(number)


def _answers(
    service: Service, name: str, columns: Mapping[str, list[int]]
) -> tuple[int, dict[str, list[Any]]]:
    """The number of the set that answers, and output -> its column."""
    serving = service.predictor.serving()
    users = columns["userId"]
    if name == "clustering":
        segments = {user_id: serving.segment(user_id)[0] for user_id in set(users)}
        found = [segments[user_id] for user_id in users]
        answers: dict[str, list[Any]] = {
            "segment": [segment.number for segment in found],
            "label": [segment.label for segment in found],
        }
        return serving.release.number, answers
    pairs = zip(users, columns["movieId"], strict=True)
    predictions = []
    for prediction in serving.predict([PredictionQuery(*pair) for pair in pairs]):
        # The protocol has no place for an answer that cannot be given.
        if isinstance(prediction, UnknownItemError):
            raise prediction
        predictions.append(prediction)
    return serving.release.number, {
        output: [round(column.of(prediction), DIGITS) for prediction in predictions]
        for output, column in _OUTPUTS[name].items()
    }


def _ids(service: Service, tensor: InputTensor) -> list[int]:
    """The ids of a column. Raises ProblemError."""
    values = [
        value for each in tensor.data for value in (each if isinstance(each, list) else [each])
    ]
    n = tensor.shape[0]
    if tensor.shape[1:] not in ([], [1]) or len(values) != n or n > MAX_QUERIES:
        detail = (
            f"{tensor.name}: shape {tensor.shape} does not go with {len(values)} values: send [n],"
            f" up to {MAX_QUERIES}"
        )
        raise refusal(ProblemType.INVALID_QUERY, detail)
    ids = service.ids.user if tensor.name == "userId" else service.ids.item
    try:
        found = [_id(ids, value) for value in values]
        for each in found:
            check_id(tensor.name, each)
    except RatingError as error:
        raise refusal(ProblemType.INVALID_QUERY, f"{tensor.name}: {error}") from error
    return found


def _id(ids: NumberIds | TextIds, value: Any) -> int:
    # In Python, True is an int.
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        raise RatingError("an id is a number or a text")
    return ids.look_up(value)


def _inputs(name: str) -> list[str]:
    return ["userId"] if name == "clustering" else ["userId", "movieId"]


def _output_types(name: str) -> dict[str, Any]:
    if name == "clustering":
        return dict(_SEGMENT_OUTPUTS)
    return {output: column.datatype for output, column in _OUTPUTS[name].items()}


def _metadata(types: Mapping[str, str]) -> list[TensorMetadata]:
    return [
        TensorMetadata(name=name, datatype=datatype, shape=[-1]) for name, datatype in types.items()
    ]
