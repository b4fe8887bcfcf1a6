"""Generates the API reference, `docs/api.md`, from the API's OpenAPI description: `make docs`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from fastapi.testclient import TestClient

from functions.agent.http.api import create_app
from functions.agent.operations import Operations

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / "api.md"
_HEAD: Final = """\
# The API, route by route

<!-- Made by `make docs` from the API's own description; do not change it by hand. -->

{description}

Bodies and answers are JSON. A path's id is one segment: `/` in it is written `%2F`. What is wrong is told as
`application/problem+json`, shaped like [ProblemAnswer](#problemanswer). The description itself is at
`GET /openapi.json`, `GET /docs` shows it as a page, and `hybrid-memory openapi` prints it. The words are explained in
the [README](../README.md#the-api-by-example), the limits [there too](../README.md#limits).

Every answer of the function has the header `X-Request-Id`, which pages of other origins may read, and every problem
the same as `request_id`: the id under which API Gateway knows the request (for a direct invocation Lambda's, which is
in the invocation's own answer). An exchange's message on the queue has it as the attribute `request_id`; its body
stays as it is. The id [finds the log lines](operating.md#follow-a-request) of both functions. An `X-Request-Id` that
a client sends is not read.
"""
_BARE: Final = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false", "null": "null"}


def describe() -> dict[str, Any]:
    """Return the API's OpenAPI description, as the API returns it."""
    # The description needs no operations.
    with TestClient(create_app(cast("Operations", object()))) as client:
        described: dict[str, Any] = client.get("/openapi.json").raise_for_status().json()
        return described


def reference(document: dict[str, Any]) -> str:
    """Return the reference as Markdown."""
    routes = [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    parts = [_HEAD.format(description=document["info"]["description"])]
    parts.append("\n".join(["| route | |", "|---|---|", *(_entry(route, operation) for route, operation in routes)]))
    parts += ["\n".join(_route(route, operation)) for route, operation in routes]
    parts.append("## Shapes")
    parts += ["\n".join(_shape(name, schema)) for name, schema in document["components"]["schemas"].items()]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _entry(route: str, operation: dict[str, Any]) -> str:
    return f"| [`{route}`](#{_slug(route)}) | {_cell(operation['description'])} |"


def _slug(heading: str) -> str:
    characters = "".join(c for c in heading.lower() if c.isalnum() or c in "_- ")
    return characters.replace(" ", "-")


def _route(route: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{route}`"
    yield ""
    yield operation["description"]
    if parameters := operation.get("parameters"):
        yield ""
        yield "| parameter | in | type | if left out |"
        yield "|---|---|---|---|"
        for each in parameters:
            schema = each["schema"]
            yield f"| `{each['name']}` | {each['in']} | {_type(schema)} | {_absent(schema, each['required'])} |"
    if body := operation.get("requestBody"):
        yield ""
        yield f"Body: {_type(_content(body))}."
    for status, answer in operation["responses"].items():
        if "X" in status:  # these responses are equal for every route, and documented at the top
            continue
        yield ""
        if "content" in answer:
            yield f"Answer, {status}: {_type(_content(answer))}."
        else:
            yield f"Answer, {status}: nothing."


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    (content,) = holder["content"].values()
    schema: dict[str, Any] = content.get("schema", {})
    return schema


def _shape(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if described := schema.get("description"):
        yield described
        yield ""
    if "properties" not in schema:
        yield f"{_type(schema).capitalize()}."
        return
    required = schema.get("required", [])
    yield "| field | type | if left out |"
    yield "|---|---|---|"
    for field, kind in schema["properties"].items():
        yield f"| `{field}` | {_type(kind)} | {_absent(kind, field in required)} |"


def _absent(schema: dict[str, Any], is_required: bool) -> str:  # noqa: FBT001 - the only caller takes it from the description
    if is_required:
        return "it has to be there"
    return f"`{json.dumps(schema['default'], ensure_ascii=False)}`" if "default" in schema else "null"


def _type(schema: dict[str, Any]) -> str:  # noqa: PLR0911 - one return per kind of schema
    """Return a schema in words."""
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}](#{_slug(name)})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if kinds := schema.get("anyOf"):
        return " or ".join(_type(kind) for kind in kinds)
    if schema.get("pattern") == "^(asc|desc)$":
        return "`asc` or `desc`"
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(schema['items'])}{_bounds(schema, 'Items', '')}"
    if kind == "object":
        values = schema.get("additionalProperties")
        inner = f" of {_type(values)}" if isinstance(values, dict) else ""
        return f"object{inner}{_bounds(schema, 'Properties', ' names')}"
    if kind == "string":
        shown = {"uuid": "UUID", "date-time": "time"}.get(schema.get("format", ""), "text")
        return shown + _bounds(schema, "Length", " characters")
    return _BARE.get(str(kind), "anything") + _range(schema)


def _bounds(schema: dict[str, Any], what: str, unit: str) -> str:
    least, most = schema.get(f"min{what}"), schema.get(f"max{what}")
    return _between(least, most, unit)


def _range(schema: dict[str, Any]) -> str:
    return _between(schema.get("minimum"), schema.get("maximum"), "")


def _between(least: float | None, most: float | None, unit: str) -> str:
    if least is not None and most is not None:
        return f" ({least:,} to {most:,}{unit})"
    if most is not None:
        return f" (at most {most:,}{unit})"
    return f" (at least {least:,}{unit})" if least is not None else ""


def _cell(text: str) -> str:
    return text.split("\n\n", maxsplit=1)[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    FILE.write_text(reference(describe()))
