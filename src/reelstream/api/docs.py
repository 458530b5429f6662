"""/docs: the API's reference as a page, complete without any other server; /docs/problems: what
each type of problem is; /openapi.json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse

from reelstream.api.openapi import make_document, responses_of
from reelstream.api.resource import Operation
from reelstream.contract import PROBLEMS_PATH, ProblemType
from reelstream.ratings.ids import Ids


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    """One field of a query or an answer, as the page shows it."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """One operation, as the page shows it."""

    operation: Operation
    query: list[_Field]
    answer: list[_Field]
    statuses: dict[str, str]
    """Status -> what it means."""
    curl: str


def add_docs(app: Flask, operations: Sequence[Operation], ids: Ids) -> None:
    """Give `app` the OpenAPI document, the pages, and a way there from /."""

    # Neither changes while the server runs, and its start need not wait for them.
    @cache
    def document() -> dict[str, Any]:
        return make_document(operations, ids)

    @cache
    def entries() -> list[_Entry]:
        return [_entry(operation) for operation in operations]

    @app.get("/openapi.json")
    def _openapi() -> Response:
        return jsonify(document())

    @app.get("/docs")
    def _docs() -> str:
        return render_template("docs.html", info=document()["info"], entries=entries())

    @app.get(PROBLEMS_PATH)
    def _problems() -> str:
        return render_template("problems.html", types=ProblemType)

    @app.get("/")
    def _root() -> BaseResponse:
        return redirect("/docs")


def _entry(operation: Operation) -> _Entry:
    return _Entry(
        operation=operation,
        query=_fields(operation.query.model_json_schema(mode="validation")),
        answer=_fields(operation.answer.model_json_schema(mode="serialization")),
        statuses={
            status: response["description"] for status, response in responses_of(operation).items()
        },
        curl=_curl(operation),
    )


def _fields(schema: dict[str, Any]) -> list[_Field]:
    return [
        _Field(
            name=name,
            type=_type(field),
            required=name in schema.get("required", ()),
            description=field.get("description", ""),
        )
        for name, field in schema.get("properties", {}).items()
    ]


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_type(kind) for kind in schema["anyOf"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "anything"))


def _curl(operation: Operation) -> str:
    """A command that works as it stands, with the fields' examples; $URL is the server's."""
    fields = operation.query.model_json_schema()["properties"]
    examples = {name: field["examples"][0] for name, field in fields.items() if "examples" in field}
    path = operation.path.format_map(examples)
    if operation.has_body:
        body = json.dumps(examples)
        return f"curl -H 'Content-Type: application/json' -d '{body}' '$URL{path}'"
    # A field of the path is not repeated in the URL's query: the API refuses a field given twice.
    in_url = {name: value for name, value in examples.items() if name not in operation.path_fields}
    method = "" if operation.method == "GET" else f"-X {operation.method} "
    return f"curl {method}'$URL{path}{'?' + urlencode(in_url) if in_url else ''}'"
