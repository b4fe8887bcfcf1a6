"""Each event of each source gets a response. No event fails the function."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast
from urllib.parse import quote, unquote

import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from mangum import Mangum

from functions.agent.http.events import SOURCES, is_request
from functions.agent.http.gateway import with_request_checks
from functions.agent.http.json_body import JsonRoute
from tests.support import events
from tests.support.api import Api

_HOSTS = ["[::1]:3000", "[::1]", "a:b", "a:80:80", ":", "", "a:99999999999999999999", "\ud800", "é.example", "a, b"]
_UNUSUAL_HEADERS: list[dict[str, Any]] = [
    *[{"Host": host} for host in _HOSTS],
    *[{"X-Forwarded-Port": port} for port in ("http", "", "-1", "443, 80", "\N{ARABIC-INDIC DIGIT FOUR}")],
    *[{"X-Forwarded-Proto": scheme} for scheme in ("", "javascript", "http, https", "\ud800")],
    {"X-Forwarded-For": "\x00"},
    {"Content-Length": "-1"},
    {"Content-Length": "many"},
    {"Transfer-Encoding": "chunked"},
    {"Content-Type": ""},
    {"Content-Type": ";;=;\x00"},
    {"Content-Type": "\ud800"},
    {"Content-Type": "multipart/form-data"},
    {"Accept": "\ud800", "Accept-Encoding": "*;q=x"},
    {"Origin": "null"},
    {"Origin": "http://[::1"},
    {"Cookie": "=;=;\x00"},
    {"Authorization": "\ud800"},
    {"": "", " ": " ", "\u00fc": "\u00fc", "\ud800": "x"},
    {"X-None": None, "X-Number": 1, "X-List": ["a"], "X-Object": {}},
]


def _invoke(app: Any, event: dict[str, Any], base_path: str = "/") -> dict[str, Any]:
    asyncio.set_event_loop(loop := asyncio.new_event_loop())
    try:
        mangum = Mangum(
            with_request_checks(app), lifespan="off", api_gateway_base_path=base_path, custom_handlers=SOURCES
        )
        assert is_request(event)
        return mangum(event, cast(Any, None))  # the context is unused
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def _body(answer: dict[str, Any]) -> Any:
    text = base64.b64decode(answer["body"]).decode() if answer["isBase64Encoded"] else answer["body"]
    return json.loads(text)


@pytest.mark.parametrize("source", events.SOURCES)
@pytest.mark.parametrize("headers", [*_UNUSUAL_HEADERS, {}, None], ids=repr)
def test_unusual_headers_change_nothing(api: Api, source: events.Source, headers: dict[str, Any] | None) -> None:
    """No header changes how the event is parsed."""
    answer = _invoke(api.app, source("GET", "/users/ana/preferences", headers=headers))
    assert (answer["statusCode"], _body(answer)) == (200, {})
    answer = _invoke(api.app, source("POST", "/invoking", headers=headers, body='{"thread_id": "t"}'))
    assert (answer["statusCode"], _body(answer)["context"]) == (200, "")


@pytest.mark.parametrize("source", events.SOURCES)
def test_response_headers_have_the_form_of_the_source(api: Api, source: events.Source) -> None:
    """The response has the form of headers that its source needs.

    A load balancer with multi-value headers accepts only that form.
    """
    event = source("GET", "/nothing")
    answer = _invoke(api.app, event)
    has_lists = "elb" in event["requestContext"] and "multiValueHeaders" in event
    names = answer["multiValueHeaders" if has_lists else "headers"]
    kind = names["content-type"]
    assert (answer["statusCode"], kind[0] if has_lists else kind) == (404, "application/problem+json")


@pytest.mark.parametrize("source", events.SOURCES)
@pytest.mark.parametrize("missing", ["headers", "path", "body", "isBase64Encoded", "queryStringParameters", "resource"])
def test_missing_parts_count_as_empty(api: Api, source: events.Source, missing: str) -> None:
    """A missing or null part counts as empty."""
    event = source("GET", "/", headers={"Host": "api"})
    without = {name: value for name, value in event.items() if name != missing}
    for each in (without, {**event, missing: None}):
        assert _invoke(api.app, each)["statusCode"] in {200, 307}


@pytest.mark.parametrize(
    "event",
    [
        {"requestContext": None},
        {"requestContext": "x"},
        {"requestContext": {}},
        {"requestContext": {"http": None}},
        {"requestContext": {"http": {"method": None}}},
        {"requestContext": {"connectionId": "c", "routeKey": "$connect"}},
    ],
)
def test_other_events_are_direct_invocations(event: dict[str, Any]) -> None:
    """An event that is not an HTTP request counts as a direct invocation."""
    assert not is_request(event)


@pytest.mark.parametrize("source", events.SOURCES)
@pytest.mark.parametrize(
    ("body", "event_fields", "status"),
    [
        ("%%%", {"isBase64Encoded": True}, 400),
        ("e30", {"isBase64Encoded": True}, 400),
        ("\u00fc", {"isBase64Encoded": True}, 400),
        ({"thread_id": "t"}, {}, 400),
        (["x"], {"isBase64Encoded": True}, 400),
        (7, {}, 400),
        ("\ud800", {}, 400),
        (base64.b64encode(b"\x1f\x8b\x08\x00").decode(), {"isBase64Encoded": True}, 400),
        (base64.b64encode(b"\xef\xbb\xbf{}").decode(), {"isBase64Encoded": True}, 200),
        ("\ufeff{}", {}, 200),
        ("{}", {"headers": {"Content-Type": "application/json; charset=utf-16"}}, 415),
        ("{}", {"headers": {"content-type": 'text/plain; charset="UTF-8"'}}, 200),
        ("{}", {"headers": {"content-encoding": "gzip"}}, 415),
        ("{}", {"headers": {"content-encoding": " Identity "}}, 200),
    ],
)
def test_bodies_are_utf_8(
    api: Api, source: events.Source, body: Any, event_fields: dict[str, Any], status: int
) -> None:
    """The API reads UTF-8 bodies of any declared type, with or without base64. It refuses other encodings."""
    event = source("POST", "/invoking", headers=event_fields.get("headers"), body=body)
    event |= {name: value for name, value in event_fields.items() if name != "headers"}
    assert _invoke(api.app, event)["statusCode"] == status


@pytest.mark.parametrize("source", [events.rest, events.http_api, events.function_url, events.balancer])
@pytest.mark.parametrize("query", ["user_id=a&user_id=b", "user_id=a&limit=1&user_id=a", "a=&a", "%61=1&a=2"])
def test_a_duplicate_query_parameter_is_refused(api: Api, source: events.Source, query: str) -> None:
    """The API refuses a query that names a parameter twice, because parsers may take either value.

    A load balancer with single values passes on only the last value, so the test leaves it out.
    """
    answer = _invoke(api.app, source("GET", "/threads", query=query))
    assert (answer["statusCode"], _body(answer)["errors"][0]["detail"]) == (422, "is in the query twice")


@pytest.mark.parametrize("source", events.SOURCES)
@pytest.mark.parametrize("query", ["user_id=%FF", "user_id=%ED%A0%80", "%FF=1"])
def test_a_query_other_than_utf_8_is_refused(api: Api, source: events.Source, query: str) -> None:
    """The API refuses a query that is not UTF-8. Replacement characters would name another user."""
    event = source("GET", "/threads", query=query)
    if "rawQueryString" in event or "elb" in event["requestContext"]:
        assert _invoke(api.app, event)["statusCode"] == 400


def _echo() -> FastAPI:
    app = FastAPI()
    app.router.route_class = JsonRoute

    @app.get("/threads/{thread_id:path}")
    async def read(thread_id: str, request: Request) -> dict[str, Any]:
        return {"id": unquote(thread_id, errors="surrogateescape"), "query": request.query_params.multi_items()}

    return app


_IDS = [
    "a/b",
    "a%2Fb",
    "%",
    "%25",
    "a+b",
    "a b",
    "\u2713",
    "a//b",
    "./x",
    "x/..",
    "..;",
    "%2e",
    "?",
    "#",
    "x.",
    "a\\b",
    "&=",
    " ",
]
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize("source", events.SOURCES)
@pytest.mark.parametrize("base", ["", "/memory"])
@pytest.mark.parametrize("name", _IDS)
def test_an_id_is_the_same_from_every_source(source: events.Source, name: str, base: str) -> None:
    """The API gets the id unchanged from each source. Some sources decode the path, and others do not."""
    event = source("GET", f"{base}/threads/{quote(name, safe='')}", query=f"q={quote(name, safe='')}&r=2")
    assert _body(_invoke(_echo(), event, "/memory")) == {"id": name, "query": [["q", name], ["r", "2"]]}


@given(st.sampled_from(events.SOURCES), _TEXT, _TEXT)
def test_any_text_is_the_same_from_every_source(source: events.Source, name: str, value: str) -> None:
    """The path and the query may contain any text, with each source."""
    event = source("GET", f"/threads/{quote(name, safe='')}", query=f"q={quote(value, safe='')}")
    assert _body(_invoke(_echo(), event)) == {"id": name, "query": [["q", value]]}
