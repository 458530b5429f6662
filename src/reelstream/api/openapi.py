"""The OpenAPI 3.1 document, made of the operations and models that the server itself runs on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from reelstream import __version__
from reelstream.api import problems
from reelstream.api.idempotency import HEADER
from reelstream.api.resource import Operation
from reelstream.contract import MAX_QUERIES, FailedEntry, Problem, Wait, WaitAndSet
from reelstream.contract.ids import SCHEMA_KEY, schema_of_id
from reelstream.ratings.ids import Ids
from reelstream.storage.api_keys import Scope

_REF = "#/components/schemas/{model}"
# Not JSON; larger than MAX_BODY_BYTES; not said to be JSON.
_BODY_PROBLEMS = (400, 413, 415)
_QUERY_PROBLEM = 422
# A token of another log; one that the server has not seen in time.
_WAIT_PROBLEMS = (409, 504)

_Schema = dict[str, Any]

_IDEMPOTENCY_KEY: _Schema = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Any text of your own: sent again within an hour, the same request is answered "
    "as the first time and writes nothing.",
    "schema": {"type": "string"},
}

_KEY = "key"
_SECURITY_SCHEME: _Schema = {
    "type": "http",
    "scheme": "bearer",
    "description": "A key from `reelstream keys create`. Each operation's x-scope says which scope "
    "it must have. On the server's own machine only admin needs one.",
}


def make_document(operations: Sequence[Operation], ids: Ids) -> _Schema:
    """The OpenAPI document of these operations."""
    schemas = _with_ids(_schemas(operations), ids)
    paths: dict[str, _Schema] = {}
    for operation in operations:
        described = _describe(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "reelstream",
            "version": __version__,
            "description": "Predictions from the newest model set and every rating up to now. Each "
            "answer names the model set that gave it and what it rests on.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {_KEY: _SECURITY_SCHEME}},
    }


def _with_ids(schema: Any, ids: Ids) -> Any:
    """The schema with every id as the stream has it."""
    if isinstance(schema, list):
        return [_with_ids(each, ids) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if SCHEMA_KEY in schema:
        kept = {name: schema[name] for name in ("title", "description") if name in schema}
        return kept | schema_of_id(schema[SCHEMA_KEY], ids)
    return {name: _with_ids(each, ids) for name, each in schema.items()}


def responses_of(operation: Operation) -> _Schema:
    """Status -> the OpenAPI response."""
    answer = _ref(operation.answer)
    if operation.handle_list is not None:
        entry = {"anyOf": [answer, _ref(FailedEntry)]}
        answer = {"anyOf": [answer, {"type": "array", "items": entry}]}
    responses = {str(operation.status): _content("The answer.", "application/json", answer)}
    if operation.has_tag:
        responses["304"] = {"description": "The answer whose ETag If-None-Match names still holds."}
    for status, other in operation.other_answers.items():
        phrase = HTTPStatus(status).phrase
        responses[str(status)] = _content(phrase, "application/json", _ref(other))
    for status in sorted({*operation.problems, *_problems_of_query(operation)}):
        phrase = HTTPStatus(status).phrase
        responses[str(status)] = _content(phrase, problems.MEDIA_TYPE, _ref(Problem))
    # 404 and 405 of the router, and 500: any operation may end so.
    responses["default"] = _content("Whatever else goes wrong.", problems.MEDIA_TYPE, _ref(Problem))
    return responses


def _problems_of_query(operation: Operation) -> tuple[int, ...]:
    waiting = _WAIT_PROBLEMS if operation.takes_token else ()
    if operation.read_options is WaitAndSet:
        # Of a set that is not kept.
        waiting = (*waiting, 404)
    if operation.has_body:
        return (*_BODY_PROBLEMS, _QUERY_PROBLEM, *waiting)
    if operation.writes or operation.waits:
        return (_QUERY_PROBLEM, *waiting)
    # Without fields only an unknown field can be wrong: `default` covers it.
    return (_QUERY_PROBLEM,) if operation.query.model_fields else ()


def _schemas(operations: Sequence[Operation]) -> _Schema:
    """Every model that the document refers to, by name."""
    models: dict[str, tuple[type[BaseModel], JsonSchemaMode]] = {}
    for model in (Problem, FailedEntry):
        models[model.__name__] = (model, "serialization")
    for options in (Wait, WaitAndSet):
        models[options.__name__] = (options, "validation")
    for operation in operations:
        models[operation.query.__name__] = (operation.query, "validation")
        for answer in (operation.answer, *operation.other_answers.values()):
            models[answer.__name__] = (answer, "serialization")
    _, definitions = models_json_schema(
        [models[name] for name in sorted(models)], ref_template=_REF
    )
    schemas: _Schema = definitions["$defs"]
    return schemas


def _describe(operation: Operation, schemas: _Schema) -> _Schema:
    described: _Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses_of(operation),
        # An empty requirement: on the server's own machine reading and writing needs no key.
        "security": [{_KEY: []}] if operation.scope is Scope.ADMIN else [{_KEY: []}, {}],
        "x-scope": operation.scope.value,
    }
    if operation.has_body:
        content = {"application/json": {"schema": _body(operation, schemas)}}
        described["requestBody"] = {"required": True, "content": content}
    parameters = list(_own_parameters(operation, schemas))
    if operation.writes:
        parameters.append(_IDEMPOTENCY_KEY)
    elif operation.read_options is not None:
        parameters += _parameters(operation, schemas[operation.read_options.__name__])
    if parameters:
        described["parameters"] = parameters
    return described


def _own_parameters(operation: Operation, schemas: _Schema) -> Iterator[_Schema]:
    own = (
        _parameters(operation, schemas[operation.query.__name__])
        if operation.query.model_fields
        else ()
    )
    # Beside a body only the path says something.
    yield from (each for each in own if each["in"] == "path" or not operation.has_body)


def _parameters(operation: Operation, query: _Schema) -> Iterator[_Schema]:
    for name, field in query["properties"].items():
        in_path = name in operation.path_fields
        schema = _without_null(field)
        yield {
            "name": name,
            "in": "path" if in_path else "query",
            "required": in_path or name in query.get("required", ()),
            "description": schema.pop("description", ""),
            "schema": schema,
        }


def _without_null(schema: _Schema) -> _Schema:
    """A URL cannot say null: a parameter that may be absent has the schema of its value."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"]
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "title")}
    if not kinds:
        return plain
    plain.pop("default", None)
    return {**kinds[0], **plain}


def _body(operation: Operation, schemas: _Schema) -> _Schema:
    """One query, or a list: a list is accepted whatever its entries are, and each is answered."""
    query = _ref(operation.query)
    if operation.path_fields:
        whole = schemas[operation.query.__name__]
        fields, required = dict(whole["properties"]), list(whole.get("required", ()))
        for name in operation.path_fields:
            fields.pop(name)
            required.remove(name)
        return {**whole, "properties": fields, "required": required}
    if operation.handle_all is not None:
        several = {"type": "array", "items": query, "minItems": 1, "maxItems": MAX_QUERIES}
        return {"anyOf": [query, several]}
    if operation.handle_list is None:
        return query
    anything = {"description": "Anything else gets an error in the place of its answer."}
    entries = {"anyOf": [query, anything]}
    return {"anyOf": [query, {"type": "array", "items": entries, "maxItems": MAX_QUERIES}]}


def _content(description: str, media_type: str, schema: _Schema) -> _Schema:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _ref(model: type[BaseModel]) -> _Schema:
    return {"$ref": _REF.format(model=model.__name__)}
