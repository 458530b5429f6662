"""Writes the page rest.md of the site from the API's declarations: a hook of MkDocs.

The page exists in the site only, so it cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from reelstream.api.app import declared_operations
from reelstream.api.openapi import make_document
from reelstream.ratings.ids import Ids

PAGE = "rest.md"
INTRODUCTION = """# REST reference

Every operation with its parameters, its body and its answers, written from the declarations by
which the server itself checks requests. A running server has the same at `/docs`, with a command to
try each, and as OpenAPI 3.1 at `/openapi.json`. [API](api.md) is the guide, with examples.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    document = make_document(declared_operations(), Ids.of_kinds())
    files.append(File.generated(config, PAGE, content=page_of(document)))
    return files


def page_of(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    parts = [INTRODUCTION]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts.append("\n".join(operation_lines(method, path, operation)))
    parts.append("## Shapes\n")
    for name, schema in document["components"]["schemas"].items():
        parts.append(f"### {name}\n\n" + "\n".join(field_table(schema)))
    return "\n\n".join(parts) + "\n"


def operation_lines(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    """One operation: what it does, takes and answers."""
    yield f"## `{method.upper()} {path}`\n"
    yield operation.get("description") or operation.get("summary", "")
    if parameters := operation.get("parameters"):
        yield "\n| parameter | in | type | meaning |\n|---|---|---|---|"
        for each in parameters:
            needed = " (needed)" if each.get("required") else ""
            meaning = cell(each.get("description") or each["schema"].get("description", ""))
            name, place = f"`{each['name']}`{needed}", each["in"]
            yield f"| {name} | {place} | {kind(each['schema'])} | {meaning} |"
    for media in operation.get("requestBody", {}).get("content", {}).values():
        yield f"\nBody: {kind(media['schema'])}."
    yield "\n| status | answer |\n|---|---|"
    for status, answer in operation["responses"].items():
        shapes = [kind(media["schema"]) for media in answer.get("content", {}).values()]
        shape = f": {shapes[0]}" if shapes else ""
        yield f"| {status} | {cell(answer['description'])}{shape} |"


def field_table(schema: dict[str, Any]) -> Iterator[str]:
    """The fields of an object; its own words, if it has none."""
    if schema.get("description"):
        yield schema["description"] + "\n"
    if not (fields := schema.get("properties")):
        yield f"{kind(schema)}"
        return
    yield "| field | type | meaning |\n|---|---|---|"
    for name, field in fields.items():
        needed = " (needed)" if name in schema.get("required", ()) else ""
        yield f"| `{name}`{needed} | {kind(field)} | {cell(field.get('description', ''))} |"


def kind(schema: dict[str, Any]) -> str:
    """The type of a schema in words, with a link to a shape of this page."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(kind(each) for each in schema[several])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return str(schema.get("type", "anything"))


def cell(text: str) -> str:
    """A text that may stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")
