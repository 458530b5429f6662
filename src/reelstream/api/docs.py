"""/docs: the OpenAPI document as a page for people, made here and complete without any other
server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, jsonify, redirect, render_template
from werkzeug.wrappers import Response as BaseResponse


@dataclass(frozen=True, slots=True)
class _Entry:
    """One operation, as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    fields: list[dict[str, Any]]
    """name, type, required, description"""
    answer: list[dict[str, Any]]
    """The same of what is answered."""
    statuses: dict[str, str]
    curl: str


def add_docs(app: Flask, document: dict[str, Any]) -> None:
    """Give `app` the document itself, the page, and a way there from /."""
    entries = list(_entries(document))

    @app.get("/openapi.json")
    def _openapi() -> Response:
        return jsonify(document)

    @app.get("/docs")
    def _docs() -> str:
        return render_template("docs.html", info=document["info"], entries=entries)

    @app.get("/")
    def _root() -> BaseResponse:
        return redirect("/docs")


def _entries(document: dict[str, Any]) -> Iterator[_Entry]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            yield _Entry(
                anchor=operation["operationId"],
                method=method.upper(),
                path=path,
                summary=operation["summary"],
                fields=_fields_of_question(document, operation),
                answer=_fields(document, _first(answer)),
                statuses={
                    status: said["description"] for status, said in operation["responses"].items()
                },
                curl=_curl(document, method, path, operation),
            )


def _fields_of_question(
    document: dict[str, Any], operation: dict[str, Any]
) -> list[dict[str, Any]]:
    if "requestBody" in operation:
        return _fields(
            document, _first(operation["requestBody"]["content"]["application/json"]["schema"])
        )
    return [
        _field(
            parameter["name"],
            {**parameter["schema"], "description": parameter.get("description", "")},
            parameter,
        )
        for parameter in operation.get("parameters", ())
    ]


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    resolved = _resolve(document, schema)
    required = resolved.get("required", ())
    return [
        _field(name, field, {"required": name in required})
        for name, field in resolved.get("properties", {}).items()
    ]


def _field(name: str, schema: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": _type(schema),
        "required": said.get("required", False),
        "description": schema.get("description", ""),
    }


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_type(kind) for kind in schema["anyOf"])
    if schema.get("type") == "array" and "items" in schema:
        return f"list of {_type(schema['items'])}"
    return str(schema.get("type", "anything"))


def _first(schema: dict[str, Any]) -> dict[str, Any]:
    """Of one question or a list of them: the question."""
    first: dict[str, Any] = schema["anyOf"][0] if "anyOf" in schema else schema
    return first


def _resolve(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    resolved: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return resolved


def _curl(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> str:
    """A command that works as it stands, with the schemas' examples."""
    base = "curl "
    if method == "post":
        question = _resolve(
            document, _first(operation["requestBody"]["content"]["application/json"]["schema"])
        )
        body = {
            name: field["examples"][0]
            for name, field in question["properties"].items()
            if "examples" in field
        }
        return f"{base}-H 'Content-Type: application/json' -d '{json.dumps(body)}' '$URL{path}'"
    examples = {
        parameter["name"]: (parameter["in"], parameter["schema"]["examples"][0])
        for parameter in operation.get("parameters", ())
        if "examples" in parameter["schema"]
    }
    query = {}
    for name, (place, example) in examples.items():
        if place == "path":
            path = path.replace(f"{{{name}}}", str(example))
        else:
            query[name] = example
    return f"{base}'$URL{path}{'?' + urlencode(query) if query else ''}'"
