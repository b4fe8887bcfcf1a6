"""Both clients have a method for every operation of the OpenAPI description, and read every response field."""

from __future__ import annotations

import inspect
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from hybrid_memory_client import AsyncMemoryClient, MemoryClient, NotThisApi, inspection, memories, models, search
from tests.clients.python.scripted_client import ScriptedClient, success
from tests.support.api import Api

CLIENTS = [MemoryClient, AsyncMemoryClient]
# The methods have these headers as arguments, under another name.
HEADERS = {"Idempotency-Key": "idempotency_key"}
RESPONSES = {
    "MessageAnswer": models.Message,
    "InvokingAnswer": models.Context,
    "InvokedAnswer": models.Kept,
    "MemoryReport": models.MemoryReport,
    "RunAnswer": models.RunResult,
    "ThreadAnswer": models.Thread,
    "HealthAnswer": models.Health,
    "SearchProgress": models.SearchProgress,
    "LayersAnswer": inspection.Layers,
    "ListLayerAnswer": inspection.ListLayer,
    "ListedAnswer": inspection.ListedMessage,
    "RowsLayerAnswer": inspection.RowsLayer,
    "StoredAnswer": inspection.StoredMessage,
    "WaitingAnswer": inspection.Waiting,
    "StatusAnswer": inspection.Status,
    "OverviewAnswer": inspection.Overview,
    "StoreAnswer": inspection.Store,
    "SelectionAnswer": models.Selection,
    "SearchAnswerBody": search.SearchResult,
    "SearchItemAnswer": search.SearchItem,
    "HighlightAnswer": search.Highlight,
    "EvidenceAnswer": memories.Evidence,
    "MemoryAnswer": memories.Memory,
    "MemoryItemAnswer": memories.FoundMemory,
    "MemoriesAnswer": memories.Memories,
}
# Fields that are not in the response.
ADDED = {"RunAnswer": {"is_replayed"}, "SearchAnswerBody": {"memories", "raw"}}
PAGES = ("ThreadsAnswer", "MessagesAnswer")


@pytest.fixture
def description(api: Api) -> dict[str, Any]:
    """Return the API's description."""
    response: dict[str, Any] = api.ask("GET", "/openapi.json").json()
    return response


def _operations(description: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        operation["operationId"]: (method.upper(), path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    }


def _inputs(description: dict[str, Any], operation: dict[str, Any]) -> tuple[set[str], set[str], bool]:
    """Return the names of all arguments and of the required arguments, and whether the body may be any object."""
    names, required, is_open = set(), set(), False
    for each in operation.get("parameters", []):
        name = HEADERS.get(each["name"], each["name"])
        names.add(name)
        required |= {name} if each["required"] else set()
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body:
        schema = description["components"]["schemas"][body["$ref"].rpartition("/")[2]]
        is_open = "properties" not in schema
        names |= set(schema.get("properties", {}))
        required |= set(schema.get("required", []))
    return names, required, is_open


@pytest.mark.parametrize("client", CLIENTS)
def test_every_operation_is_a_method_with_its_fields(client: type, description: dict[str, Any]) -> None:
    """The test fails if the API gains a route or a field that a client lacks."""
    operations = _operations(description)
    assert len(operations) >= 14
    for name, (_, _, operation) in operations.items():
        method = getattr(client, name, None)
        assert method is not None, f"{client.__name__} has no method for {name}"
        arguments_of_route, required, is_open = _inputs(description, operation)
        parameters = dict(inspect.signature(method).parameters)
        del parameters["self"]
        if is_open:
            # The body itself is one additional argument.
            assert len(parameters) == len(arguments_of_route) + 1, name
            continue
        assert set(parameters) == arguments_of_route, name
        assert {one.name for one in parameters.values() if one.default is one.empty} == required, name


def test_requests_have_the_described_method_and_path(description: dict[str, Any]) -> None:
    """Each method sends the described method and path."""
    example_values = {
        "limit": 3,
        "max_context_tokens": 9,
        "include": ["context"],
        "messages": 2,
        "threads": 2,
        "order": "desc",
        "tools": ["t"],
        "document_ids": ["d"],
        "kinds": ["exchange"],
        "include_superseded": True,
        **dict.fromkeys(("created_at", "since", "until"), datetime(2026, 1, 1, tzinfo=UTC)),
    }
    for name, (verb, path, operation) in _operations(description).items():
        client = ScriptedClient(MemoryClient, httpx.Response(418))
        arguments_of_route, _, is_open = _inputs(description, operation)
        arguments: dict[str, Any] = {each: example_values.get(each, f"a {each}/x") for each in arguments_of_route}
        positional = [{"key": "value"}] if is_open else []
        if is_open:
            positional.insert(0, arguments.pop("user_id"))
        with pytest.raises(Exception, match="418"):
            getattr(client, name)(*positional, **arguments)
        (request,) = client.requests
        expected = path
        for each in ("thread_id", "user_id", "exchange_id", "memory_id"):
            expected = expected.replace(f"{{{each}}}", f"a%20{each}%2Fx")
        assert (request.method, request.url.raw_path.decode().partition("?")[0]) == (verb, f"/stage{expected}")
        query = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
        assert set(dict(request.url.params)) == query, name


def test_every_field_of_a_response_is_read(description: dict[str, Any]) -> None:
    """The test fails if a response gains a field that the client does not read."""
    schemas = description["components"]["schemas"]
    for name, kind in RESPONSES.items():
        read = {field.name for field in fields(kind)} - ADDED.get(name, {"raw"})
        assert set(schemas[name]["properties"]) == read, name
    for name in PAGES:
        assert set(schemas[name]["properties"]) <= {field.name for field in fields(models.Page)}, name
    other_schemas = {"ThreadItem", "FieldError", "ProblemAnswer", "RunRequest", "InvokingRequest", "InvokedRequest"}
    other_schemas |= {"ReplaceRequest", "RenameRequest", "SearchRequest", "Preferences", "PreferenceChanges"}
    other_schemas |= {"MemoryRequest", "CorrectionRequest"}
    # Objects that the client reads as dictionaries.
    other_schemas |= {"StoresAnswer", "MemoriesVersion", "SelectionCounts", "SelectionOmitted"}
    assert set(schemas) == set(RESPONSES) | set(PAGES) | other_schemas


def test_both_clients_have_the_same_methods() -> None:
    """Both clients have the same public methods, except for the name of `close`."""
    sync = {name for name in vars(MemoryClient) if not name.startswith("_")}
    other = {name for name in vars(AsyncMemoryClient) if not name.startswith("_")}
    assert sync - {"close"} == other - {"aclose"}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_description_without_info_is_refused(client: type) -> None:
    """A JSON response without `info` is from another service."""
    description = {"openapi": "3.1.0", "info": {"title": "Memory"}}
    assert ScriptedClient(client, success(description)).openapi() == description
    other_schemas: list[object] = [{}, [], {"info": "Memory"}]
    for response in other_schemas:
        with pytest.raises(NotThisApi):
            ScriptedClient(client, success(response)).openapi()
