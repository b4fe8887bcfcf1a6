"""The gateway reads the path formats of all event sources, and reports unreadable bodies."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from urllib.parse import unquote

import pytest
from mangum import Mangum

from functions.agent.http.events import SOURCES, request_path
from functions.agent.http.gateway import with_request_checks
from tests.support.api import Api

# Pairs: a path below the base path as the client sends it, and the same path as an HTTP API passes it on.
_PATHS = [
    ("/threads/plain", "/threads/plain"),
    ("/threads/a%2Fb", "/threads/a/b"),
    ("/threads/100%2525", "/threads/100%25"),
    ("/threads/a+b", "/threads/a+b"),
    ("/threads/a%20b", "/threads/a b"),
    ("/threads/%C3%BC", "/threads/\N{LATIN SMALL LETTER U WITH DIAERESIS}"),
    ("/threads/50%25", "/threads/50%"),
    ("/", "/"),
]


def _rest(path: str, base: str = "", **parameters: str) -> dict[str, Any]:
    context = {"stage": "prod", "path": f"{base}{path}", "identity": {"sourceIp": "127.0.0.1"}}
    return {
        "resource": "/{proxy+}",
        "path": f"{base}{path}",
        "httpMethod": "GET",
        "headers": {"Host": "api"},
        "pathParameters": parameters or None,
        "requestContext": context,
    }


def _http(
    path: str, stage: str = "$default", domain: str = "abc.execute-api.eu-west-1.amazonaws.com"
) -> dict[str, Any]:
    context = {"stage": stage, "domainName": domain, "http": {"method": "GET", "path": path, "sourceIp": "127.0.0.1"}}
    return {"version": "2.0", "routeKey": "$default", "rawPath": path, "headers": {}, "requestContext": context}


@pytest.mark.parametrize(("encoded", "decoded"), _PATHS)
def test_each_source_has_its_own_encoding(encoded: str, decoded: str) -> None:
    """For each source, an id that was encoded once is decoded once."""
    assert request_path(_rest(encoded, proxy=decoded[1:])) == encoded
    assert request_path(_rest(encoded, proxy=encoded[1:])) == encoded
    assert request_path({"path": encoded, "httpMethod": "GET", "requestContext": {"elb": {}}}) == encoded
    assert request_path(_http(encoded, domain="abc.lambda-url.eu-west-1.on.aws")) == encoded
    assert unquote(request_path(_http(decoded))) == decoded
    assert unquote(request_path(_http("/prod" + decoded, "prod"))) == decoded


@pytest.mark.parametrize(("encoded", "decoded"), _PATHS[:-1])
@pytest.mark.parametrize("base", ["/memory", "/memory/v1", "/threads", "/a%20b"])
def test_a_domains_base_path_is_not_part_of_the_route(encoded: str, decoded: str, base: str) -> None:
    """A domain's base path is not part of the route, for sources that decode the path parameters and for all others."""
    assert request_path(_rest(encoded, base, proxy=decoded[1:])) == encoded
    assert request_path(_rest(encoded, base, proxy=encoded[1:])) == encoded
    event = _http(unquote(base) + decoded, domain="api.example.com")
    event |= {"routeKey": "ANY /{proxy+}", "pathParameters": {"proxy": decoded[1:]}}
    assert unquote(request_path(event)) == decoded


def test_a_base_path_alone_is_the_page() -> None:
    """A request to the base path without a further segment returns the page."""
    assert request_path(_rest("", "/memory") | {"resource": "/"}) == "/"
    assert request_path(_rest("/", "/memory") | {"resource": "/"}) == "/"


@pytest.mark.parametrize(
    ("path", "stage", "route"),
    [
        ("/threads", "t", "/threads"),
        ("/t/threads", "t", "/threads"),
        ("/t", "t", "/"),
        ("/t/", "t", "/"),
        ("/threads/threads", "threads", "/threads"),
        ("/health", "$default", "/health"),
    ],
)
def test_the_stage_is_removed_once(path: str, stage: str, route: str) -> None:
    """The API removes the stage once, and only as a whole segment."""
    assert request_path(_http(path, stage)) == route


def test_paths_of_a_custom_domain_have_no_stage() -> None:
    """The paths of a custom domain have no stage, so the API keeps a segment that equals the stage's name."""
    assert request_path(_http("/threads", "threads", "api.example.com")) == "/threads"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/memory", "/"),
        ("/memory/", "/"),
        ("/memory/threads", "/threads"),
        ("/memory/memory/threads", "/memory/threads"),
        ("/memory/threads/a%2Fb", "/threads/a%2Fb"),
        ("/memorythreads", "/memorythreads"),
        ("/memory%2Fthreads", "/memory%2Fthreads"),
        ("/threads/memory", "/threads/memory"),
        ("/health", "/health"),
        ("//memory/health", "//memory/health"),
    ],
)
def test_the_settings_base_path_is_removed_once(path: str, route: str) -> None:
    """The base path consists of whole segments and is removed once. URLs without the base path still work."""
    for event in (
        _http(path, domain="abc.lambda-url.eu-west-1.on.aws"),
        _http(path.replace("%2F", "%252F"), domain="api.example.com") | {"rawPath": unquote(path)},
        {"path": path, "httpMethod": "GET", "requestContext": {"elb": {}}},
        _rest(path),
    ):
        if "%2F" not in path or ".lambda-url." in str(event) or "rawPath" not in event:
            assert request_path(event, "/memory") == route
            assert request_path(event) == path


def _post(api: Api, body: object, **event_fields: Any) -> tuple[int, dict[str, Any]]:
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    try:
        event = _rest("/invoking") | {"httpMethod": "POST", "body": body, **event_fields}
        mangum = Mangum(with_request_checks(api.app), lifespan="off", custom_handlers=SOURCES)
        answer = mangum(event, None)  # type: ignore[arg-type]  # unused
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    text = base64.b64decode(answer["body"]).decode() if answer["isBase64Encoded"] else answer["body"]
    return answer["statusCode"], json.loads(text)


_VALID_BODY = '{"thread_id": "t"}'


@pytest.mark.parametrize(
    "event_fields",
    [
        {},
        {"body": base64.b64encode(_VALID_BODY.encode()).decode(), "isBase64Encoded": True},
        {"body": "\ufeff" + _VALID_BODY},
        {"headers": {"Content-Type": "application/json; charset=UTF-8"}},
        {"headers": {"Content-Type": 'text/plain; charset="utf-8"', "Content-Encoding": "identity"}},
        {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    ],
)
def test_a_json_body_may_have_any_declared_type(api: Api, event_fields: dict[str, Any]) -> None:
    """A body may have any declared type if it is JSON in UTF-8."""
    status, content = _post(api, event_fields.pop("body", _VALID_BODY), **event_fields)
    assert (status, content["context"]) == (200, "")


@pytest.mark.parametrize(
    ("body", "event_fields", "status"),
    [
        ("", {}, 400),
        (None, {}, 400),
        ("not json", {}, 400),
        ("\ud800", {}, 400),
        ("%%%", {"isBase64Encoded": True}, 400),
        (base64.b64encode(_VALID_BODY.encode("utf-16")).decode(), {"isBase64Encoded": True}, 400),
        (base64.b64encode(_VALID_BODY.encode("utf-16-le")).decode(), {"isBase64Encoded": True}, 400),
        (base64.b64encode(b'{"thread_id": "\xe9"}').decode(), {"isBase64Encoded": True}, 400),
        ('{"thread_id": NaN}', {}, 400),
        ('{"limit": -Infinity}', {}, 400),
        ('{"limit": 1e999}', {}, 422),
        ('{"metadata": {"a": NaN}}', {}, 400),
        ('{"limit": ' + "9" * 5000 + "}", {}, 400),
        ('{"thread_id": "t", "thread_id": "u"}', {}, 400),
        ('{"metadata": {"a": [{"b": 1, "b": 2}]}}', {}, 400),
        ("[" * 100_000, {}, 400),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, {}, 400),
        (_VALID_BODY, {"headers": {"Content-Encoding": "gzip"}}, 415),
        (_VALID_BODY, {"headers": {"Content-Type": "application/json; charset=latin-1"}}, 415),
        (_VALID_BODY, {"headers": {"Content-Type": "application/json; charset=utf-16"}}, 415),
        ('"' + "x" * 5_000_000 + '"', {}, 413),
    ],
)
def test_an_unreadable_body_returns_a_problem(
    api: Api, body: object, event_fields: dict[str, Any], status: int
) -> None:
    """An unreadable body returns a problem, and the function does not fail."""
    answer_status, content = _post(api, body, **event_fields)
    assert (answer_status, content["status"]) == (status, status)


def test_an_integer_that_is_too_long_is_reported(api: Api) -> None:
    """An integer that is too long is valid JSON. The problem still says that it is too long."""
    _, content = _post(api, '{"limit": ' + "9" * 5000 + "}")
    assert content["detail"] == "The body has an integer that is too long to be read."
