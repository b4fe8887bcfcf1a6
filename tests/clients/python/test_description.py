"""Both clients have a method for every operation of the OpenAPI description, and read every response field."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import httpx
import pytest

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, NotThisApi, inspection, models
from tests.clients.python.callers import Caller, ok
from tests.support.api import Api

CLIENTS = [MemoryClient, AsyncMemoryClient]
# These headers are arguments with another name.
HEADERS = {"Idempotency-Key": "idempotency_key"}
ANSWERS = {
    "MessageAnswer": models.Message,
    "InvokingAnswer": models.Context,
    "InvokedAnswer": models.Kept,
    "MemoryReport": models.MemoryReport,
    "RunAnswer": models.RunResult,
    "ThreadAnswer": models.Thread,
    "HealthAnswer": models.Health,
    "LayersAnswer": inspection.Layers,
    "ListLayerAnswer": inspection.ListLayer,
    "ListedAnswer": inspection.ListedMessage,
    "RowsLayerAnswer": inspection.RowsLayer,
    "StoredAnswer": inspection.StoredMessage,
    "WaitingAnswer": inspection.Waiting,
    "StatusAnswer": inspection.Status,
}
PAGES = ("ThreadsAnswer", "MessagesAnswer")


@pytest.fixture
def described(api: Api) -> dict[str, Any]:
    """The API's description."""
    answer: dict[str, Any] = api.ask("GET", "/openapi.json").json()
    return answer


def _operations(described: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def _inputs(described: dict[str, Any], operation: dict[str, Any]) -> tuple[set[str], set[str], bool]:
    """Return the names of an operation's arguments, the required ones, and whether its body is any object."""
    names, required, is_open = set(), set(), False
    for each in operation.get("parameters", []):
        name = HEADERS.get(each["name"], each["name"])
        names.add(name)
        required |= {name} if each["required"] else set()
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        schema = described["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        is_open = "properties" not in schema
        names |= set(schema.get("properties", {}))
        required |= set(schema.get("required", []))
    return names, required, is_open


@pytest.mark.parametrize("client", CLIENTS)
def test_every_operation_is_a_method_with_its_fields(client: type, described: dict[str, Any]) -> None:
    """The test fails if the API gains a route or a field that a client lacks."""
    operations = _operations(described)
    assert len(operations) >= 14
    for name, (_, _, operation) in operations.items():
        method = getattr(client, name, None)
        assert method is not None, f"{client.__name__} has no method for {name}"
        taken, required, is_open = _inputs(described, operation)
        parameters = dict(inspect.signature(method).parameters)
        del parameters["self"]
        if is_open:
            # The body itself is one additional argument.
            assert len(parameters) == len(taken) + 1, name
            continue
        assert set(parameters) == taken, name
        assert {one.name for one in parameters.values() if one.default is one.empty} == required, name


def test_requests_have_the_described_method_and_path(described: dict[str, Any]) -> None:
    """Each method sends the described method and path."""
    stand_ins = {
        "limit": 3,
        "max_context_tokens": 9,
        "include": ["context"],
        "order": "desc",
        "tools": ["t"],
        "document_ids": ["d"],
    }
    for name, (verb, path, operation) in _operations(described).items():
        caller = Caller(MemoryClient, httpx.Response(418))
        taken, _, is_open = _inputs(described, operation)
        arguments: dict[str, Any] = {each: stand_ins.get(each, f"a {each}/x") for each in taken}
        positional = [{"key": "value"}] if is_open else []
        if is_open:
            positional.insert(0, arguments.pop("user_id"))
        with pytest.raises(Exception, match="418"):
            getattr(caller, name)(*positional, **arguments)
        (request,) = caller.requests
        expected = path
        for each in ("thread_id", "user_id", "exchange_id"):
            expected = expected.replace(f"{{{each}}}", f"a%20{each}%2Fx")
        assert (request.method, request.url.raw_path.decode().partition("?")[0]) == (verb, f"/stage{expected}")
        query = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        assert set(dict(request.url.params)) == query, name


def test_every_field_of_an_answer_is_read(described: dict[str, Any]) -> None:
    """The test fails if a response gains a field that the client does not read."""
    schemas = described["components"]["schemas"]
    for name, kind in ANSWERS.items():
        assert set(schemas[name]["properties"]) == {field.name for field in fields(kind)} - {"is_replayed", "raw"}, name
    for name in PAGES:
        assert set(schemas[name]["properties"]) <= {field.name for field in fields(models.Page)}, name
    others = {"ThreadItem", "FieldError", "ProblemAnswer", "RunRequest", "InvokingRequest", "InvokedRequest"}
    others |= {"ReplaceRequest", "RenameRequest", "Preferences", "PreferenceChanges"}
    assert set(schemas) == set(ANSWERS) | set(PAGES) | others


def test_the_clients_differ_in_nothing_but_waiting() -> None:
    """The synchronous client equals the client that is generated from the asynchronous client."""
    sync = {name for name in vars(MemoryClient) if not name.startswith("_")}
    other = {name for name in vars(AsyncMemoryClient) if not name.startswith("_")}
    assert sync - {"close"} == other - {"aclose"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_description_is_known_by_its_info(client: type) -> None:
    """A JSON response without `info` is from another service."""
    described = {"openapi": "3.1.0", "info": {"title": "Memory"}}
    assert Caller(client, ok(described)).openapi() == described
    others: list[object] = [{}, [], {"info": "Memory"}]
    for answer in others:
        with pytest.raises(NotThisApi):
            Caller(client, ok(answer)).openapi()
