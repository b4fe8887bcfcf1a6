"""Every route authenticates and authorizes its caller over HTTP, on in-memory stores."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.routing import BaseRoute

from tests.support.api import Api, problem
from tests.support.issuer import OPERATOR, Issuer, bearer
from tests.support.routes import EXCHANGE, MEMORY, SAMPLES, Sample, guarded_routes

OPEN_PATHS = ("/", "/health", "/openapi.json", "/docs", "/docs/swagger-ui.css")
each_route = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.route)


def _request(
    api: Api, sample: Sample, headers: dict[str, str], user_id: str = "ana", *, is_named: bool = False
) -> tuple[int, str]:
    named_user = user_id if is_named else None
    answer = api.ask(
        sample.method,
        sample.path("t", user_id),
        sample.body("t", named_user),
        headers=headers,
        query=sample.query(named_user),
    )
    return answer.status_code, answer.text


def _add_memory(api: Api, issuer: Issuer) -> None:
    """Add the memory that the samples read and change."""
    headers = bearer(issuer.token("ana"))
    assert api.ask("POST", "/users/ana/memories", {"text": MEMORY}, headers=headers).status_code == 201


def test_every_route_has_a_sample_request(guarded_api: Api) -> None:
    """The table of sample requests has every route that requires a token."""
    assert guarded_routes(guarded_api.app) == {sample.route for sample in SAMPLES}


def _paths(routes: list[BaseRoute]) -> list[str]:
    return [str(getattr(route, "path", "")) for route in routes]


def test_all_other_paths_need_a_token(guarded_api: Api) -> None:
    """Only the listed paths need no token. All other paths need a token, even paths that do not exist."""
    for path in [*_paths(guarded_api.app.routes), "/nothing", "/health/", "/health/x", "/docs.json"]:
        is_open = guarded_api.ask("GET", path.replace("{name}", "swagger-ui.css")).status_code != 401
        assert is_open == (path in {*OPEN_PATHS, "/docs/{name}", "/assets/{name}"}), path


@pytest.mark.parametrize("path", OPEN_PATHS)
def test_open_paths_need_no_token(guarded_api: Api, path: str) -> None:
    """An open path ignores a token, even an invalid token."""
    for headers in ({}, bearer("x")):
        assert guarded_api.ask("GET", path, headers=headers).status_code == 200


@each_route
def test_a_request_without_a_token_returns_a_401(guarded_api: Api, sample: Sample) -> None:
    """A request without a token returns a 401 with a challenge before the API reads the request."""
    for body in (b"", b"no json", b"{}"):
        answer = guarded_api.ask(sample.method, sample.path("t", "ana"), content=body)
        refusal = problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="hybrid-memory"'
        assert "errors" not in refusal


@each_route
def test_an_invalid_token_returns_a_401(guarded_api: Api, issuer: Issuer, sample: Sample) -> None:
    """A request with an invalid token returns a 401 with the reason."""
    answer = guarded_api.ask(sample.method, sample.path("t", "ana"), headers=bearer(issuer.token(exp=1)))
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="hybrid-memory", error="invalid_token", error_description="The token has expired."'
    )


@each_route
def test_a_request_may_name_the_tokens_user(guarded_api: Api, issuer: Issuer, sample: Sample) -> None:
    """A request may name the token's own user. The response is the same as for a request without a user."""
    guarded_api.ask(
        "POST",
        "/run",
        {"prompt": "Hello", "thread_id": "t", "exchange_id": EXCHANGE},
        headers=bearer(issuer.token("ana")),
    )
    guarded_api.archive.store(guarded_api.queue.take())
    for is_named in (False, True):
        _add_memory(guarded_api, issuer)
        status, text = _request(guarded_api, sample, bearer(issuer.token("ana")), is_named=is_named)
        # The second deletion finds nothing.
        is_deleted = is_named and sample.route.startswith("DELETE /threads")
        assert status == (404 if is_deleted else 403 if sample.is_for_operators else sample.success), text


@each_route
def test_a_request_that_names_another_user_returns_a_403(guarded_api: Api, issuer: Issuer, sample: Sample) -> None:
    """A request that names another user returns a 403 without further details."""
    if sample.names_user == "nowhere":
        return
    before = guarded_api.is_untouched()
    answer = guarded_api.ask(
        sample.method,
        sample.path("t", "ana"),
        sample.body("t", "ana"),
        headers=bearer(issuer.token("bob")),
        query=sample.query("ana"),
    )
    refusal = problem(answer, 403, "user_id")
    assert refusal["errors"][0]["in"] == sample.names_user
    assert guarded_api.is_untouched() == before


@each_route
@pytest.mark.parametrize("claim", [{"scope": f"openid {OPERATOR}"}, {"scp": [OPERATOR]}, {"scp": OPERATOR}])
def test_an_operator_may_act_for_any_user(
    guarded_api: Api, issuer: Issuer, sample: Sample, claim: dict[str, Any]
) -> None:
    """An operator may act for any user."""
    guarded_api.ask(
        "POST",
        "/run",
        {"prompt": "Hello", "thread_id": "t", "exchange_id": EXCHANGE},
        headers=bearer(issuer.token("ana")),
    )
    guarded_api.archive.store(guarded_api.queue.take())
    _add_memory(guarded_api, issuer)
    status, text = _request(guarded_api, sample, bearer(issuer.token("ops", **claim)), is_named=True)
    assert status == sample.success, text


def test_the_default_user_is_the_tokens_user(guarded_api: Api, issuer: Issuer) -> None:
    """Stored exchanges and preferences belong to the token's user if the request names no user."""
    ana = bearer(issuer.token("ana"))
    guarded_api.ask("PUT", "/users/ana/preferences", {"tone": "dry"}, headers=ana)
    answer = guarded_api.ask("POST", "/run", {"prompt": "Hello", "thread_id": "t"}, headers=ana).json()
    assert "tone: dry" in answer["response"]
    appended = guarded_api.queue.take()
    assert [each.user_id for each in appended] == ["ana"]
    guarded_api.archive.store(appended)
    thread_list = guarded_api.ask("GET", "/threads", headers=ana).json()
    assert [item["thread_id"] for item in thread_list["items"]] == ["t"]
    assert guarded_api.ask("GET", "/threads", headers=bearer(issuer.token("bob"))).json()["items"] == []


def test_without_authentication_a_request_must_name_the_user(api: Api) -> None:
    """Without authentication, a request must name the user."""
    refusal = problem(api.ask("GET", "/threads"), 422, "user_id")
    assert refusal["errors"][0]["in"] == "query"


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer   {}  "])
def test_the_scheme_is_case_insensitive(guarded_api: Api, issuer: Issuer, header: str) -> None:
    """The scheme of the `Authorization` header is case-insensitive, and extra spaces are ignored."""
    headers = {"authorization": header.format(issuer.token("ana"))}
    assert guarded_api.ask("GET", "/threads", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "{}",
        "Basic {}",
        "Token {}",
        "Bearer {0} {0}",
        "Bearer {0}, Bearer {0}",
        "Bearer {}\x01",
    ],
)
def test_a_malformed_header_returns_a_401(guarded_api: Api, issuer: Issuer, header: str) -> None:
    """A header of another form returns a 401. Two headers that a gateway has joined have an invalid form, too."""
    answer = guarded_api.ask("GET", "/threads", headers={"authorization": header.format(issuer.token("ana"))})
    problem(answer, 401)
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


def test_tokens_in_the_query_and_the_body_are_ignored(guarded_api: Api, issuer: Issuer) -> None:
    """The API ignores tokens in the query and in the body, because logs would contain them."""
    token = issuer.token("ana")
    problem(guarded_api.ask("GET", "/threads", query={"access_token": token}), 401)
    problem(guarded_api.ask("POST", "/invoking", {"access_token": token}), 401)


def test_a_preflight_request_needs_no_token(guarded_api: Api) -> None:
    """The API does not require a token for a browser's preflight request."""
    headers = {"origin": "https://app.example", "access-control-request-method": "POST"}
    assert guarded_api.ask("OPTIONS", "/run", headers=headers).status_code != 401


def test_an_outage_of_the_issuer_returns_a_503(guarded_api: Api, issuer: Issuer) -> None:
    """During an outage of the issuer, the API cannot check tokens and returns a 503.

    The status is not a 4xx, because the caller made no error.
    """
    issuer.status = 503
    answer = guarded_api.ask("GET", "/threads", headers=bearer(issuer.token("ana")))
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert guarded_api.ask("GET", "/health").status_code == 200


def test_the_openapi_description_lists_guarded_routes(guarded_api: Api, api: Api) -> None:
    """The OpenAPI description lists the routes that need a token and their responses without a token.

    If authentication is off, the description lists no such routes.
    """
    description = guarded_api.ask("GET", "/openapi.json").json()
    assert description["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in description["paths"].items():
        for operation in operations.values():
            if path == "/health":
                assert "security" not in operation
                continue
            assert operation["security"] == [{"bearer": []}]
            for status in ("401", "403"):
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
            assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
    assert "security" not in api.ask("GET", "/openapi.json").text
