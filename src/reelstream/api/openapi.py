"""/openapi.json: the OpenAPI 3.1 document, made of the operations and the schemas that the server
itself runs on.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from reelstream import __version__
from reelstream.api import problems
from reelstream.api.operation import Operation
from reelstream.api.schemas import MAX_LIST, Answer, FailedEntry, Problem, Question

_REF = "#/components/schemas/{model}"
_BODY_PROBLEMS = (400, 413, 415)
_QUESTION_PROBLEM = 422


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The OpenAPI document of these operations."""
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(
            operation, schemas
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "reelstream",
            "version": __version__,
            "description": (
                "Predictions from the newest model set and every rating up to this moment. Each"
                " answer names the model set that gave it and what it rests on."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    answers: set[type[Answer]] = {Problem, FailedEntry}
    for operation in operations:
        answers |= {operation.answer, *operation.other_answers.values()}
    questions: set[type[Question]] = {operation.question for operation in operations}
    models: list[tuple[Any, JsonSchemaMode]] = [(answer, "serialization") for answer in answers]
    models += [(question, "validation") for question in questions]
    models.sort(key=lambda model: model[0].__name__)
    _, definitions = models_json_schema(models, ref_template=_REF)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _describe(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation),
        "summary": operation.summary,
        "responses": _responses(operation),
    }
    if operation.method == "POST":
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _body(operation)}},
        }
    elif operation.question.model_fields:
        described["parameters"] = _parameters(operation, schemas[operation.question.__name__])
    return described


def _operation_id(operation: Operation) -> str:
    words = operation.path.replace("{", "").replace("}", "").strip("/").split("/")
    return "_".join([operation.method.lower(), *words])


def _parameters(operation: Operation, question: dict[str, Any]) -> list[dict[str, Any]]:
    parameters = []
    for name, schema in question["properties"].items():
        in_path = name in operation.path_fields
        parameter: dict[str, Any] = {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in question.get("required", ()),
            "schema": _without_null(schema),
        }
        if "description" in parameter["schema"]:
            parameter["description"] = parameter["schema"].pop("description")
        parameters.append(parameter)
    return parameters


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A query cannot say null: a parameter that may be absent has the schema of its value."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if kinds:
        plain = {**kinds[0], **{key: value for key, value in plain.items() if key != "default"}}
    return plain


def _body(operation: Operation) -> dict[str, Any]:
    """One question, or a list; a list is taken whatever its entries are, and each is answered for
    itself.
    """
    question = _ref(operation.question)
    entry = {
        "anyOf": [
            question,
            {"description": "Anything else gets an error in the place of its answer."},
        ]
    }
    return {"anyOf": [question, {"type": "array", "items": entry, "maxItems": MAX_LIST}]}


def _responses(operation: Operation) -> dict[str, Any]:
    answer = _ref(operation.answer)
    if operation.handle_list is not None:
        listed = {"type": "array", "items": {"anyOf": [_ref(operation.answer), _ref(FailedEntry)]}}
        answer = {"anyOf": [answer, listed]}
    statuses = set(operation.problems)
    if operation.method == "POST":
        statuses |= {*_BODY_PROBLEMS, _QUESTION_PROBLEM}
    elif operation.question.model_fields:
        statuses |= {_QUESTION_PROBLEM}
    responses = {"200": _content("The answer.", "application/json", answer)}
    for status, other in operation.other_answers.items():
        responses[str(status)] = _content(
            HTTPStatus(status).phrase, "application/json", _ref(other)
        )
    for status in sorted(statuses):
        responses[str(status)] = _content(
            HTTPStatus(status).phrase, problems.MEDIA_TYPE, _ref(Problem)
        )
    responses["default"] = _content("Whatever else goes wrong.", problems.MEDIA_TYPE, _ref(Problem))
    return responses


def _content(description: str, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(model: type) -> dict[str, Any]:
    return {"$ref": _REF.format(model=model.__name__)}
