"""The gateway and both functions authorize tokens of a local issuer, two users and an operator."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.e2e.deployment import connect, from_stack
from tests.e2e.invocation import Functions
from tests.e2e.other_stack import OtherStack, running
from tests.e2e.waiting import eventually
from tests.support.issuer import OPERATOR, Issuer, bearer, signed_with_public_key, unsigned
from tests.support.routes import SAMPLES

pytestmark = pytest.mark.embedded("which start and stop other stacks")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return an issuer of tokens."""
    with Issuer() as created:
        yield created


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherStack]:
    """Run a stack that requires the issuer's tokens."""
    with running(tmp_path_factory.mktemp("guarded"), issuer.environment()) as created:
        yield created


def _invoke(guarded: OtherStack, text: str, thread_id: str, headers: dict[str, str]) -> httpx.Response:
    body = {"thread_id": thread_id, "user_message": text, "assistant_message": text}
    return guarded.api.send("POST", "/invoked", json=body, headers=headers)


def test_no_request_without_a_token_succeeds(guarded: OtherStack, issuer: Issuer) -> None:
    """Every protected route returns a 401. Open routes need no token."""
    for headers in (
        {},
        bearer(issuer.token(exp=1)),
        bearer(issuer.token(aud="other")),
        bearer(unsigned(issuer.claims(), kid="one")),
        bearer(signed_with_public_key(issuer, issuer.claims())),
    ):
        for sample in SAMPLES:
            response = guarded.api.send(
                sample.method, sample.path("t", "ana"), json=sample.body("t"), headers=headers, params=sample.query()
            )
            assert response.status_code == httpx.codes.UNAUTHORIZED, (sample.route, response.text)
            assert response.headers["www-authenticate"].startswith("Bearer ")
            assert response.headers["content-type"] == "application/problem+json"
    for path in ("/health", "/openapi.json", "/docs"):
        assert guarded.api.send("GET", path).status_code == httpx.codes.OK
    assert guarded.api.send("OPTIONS", "/run").status_code != httpx.codes.UNAUTHORIZED


def test_a_thread_belongs_to_its_owner(guarded: OtherStack, issuer: Issuer) -> None:
    """Only the owner reads the thread: queued, drained, with Redis down, and after Redis restarted empty."""
    thread_id = f"conv_{uuid4().hex}"
    ana, bob = bearer(issuer.token("ana")), bearer(issuer.token("bob"))
    operator = bearer(issuer.token("ops", scp=[OPERATOR]))
    assert _invoke(guarded, "secret", thread_id, ana).status_code == httpx.codes.ACCEPTED

    def check_owner() -> None:
        assert _invoke(guarded, "intruder", thread_id, bob).status_code == httpx.codes.NOT_FOUND
        for path in (f"/threads/{thread_id}", f"/threads/{thread_id}/messages"):
            assert guarded.api.send("GET", path, headers=bob).status_code == httpx.codes.NOT_FOUND
        for headers in (ana, operator):
            context = guarded.api.call("POST", "/invoking", json={"thread_id": thread_id}, headers=headers)
            assert {message["content"] for message in context["messages"]} == {"secret"}

    check_owner()
    guarded.layers.wait_stored(thread_id, 2)
    check_owner()
    with guarded.servers.killed("valkey"):
        check_owner()

    def is_redis_up() -> bool:
        context = guarded.api.call("POST", "/invoking", json={"thread_id": thread_id}, headers=ana)
        return "redis" not in context["degraded"]

    # A deletion that Redis misses would return a 503. Wait until the function has found Redis again.
    eventually(is_redis_up)
    check_owner()
    assert guarded.layers.stored_contents(thread_id) == ["secret", "secret"]
    assert guarded.api.send("DELETE", f"/threads/{thread_id}", headers=bob).status_code == httpx.codes.NOT_FOUND
    assert guarded.api.send("DELETE", f"/threads/{thread_id}", headers=ana).status_code == httpx.codes.NO_CONTENT
    assert _invoke(guarded, "bobs", thread_id, bob).status_code == httpx.codes.ACCEPTED
    assert _invoke(guarded, "late", thread_id, ana).status_code == httpx.codes.NOT_FOUND


def test_a_direct_invocation_acts_for_the_named_user(guarded: OtherStack, issuer: Issuer) -> None:
    """The invocation acts for the user that it names. Without a name, it acts for the owner of the thread."""
    deployment = from_stack(guarded.process.info)
    aws = connect(deployment.endpoint_url, deployment.region)
    functions = Functions(aws, deployment)
    thread_id = f"conv_{uuid4().hex}"
    event = {"thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
    assert functions.agent({"action": "invoked", "user_id": "ana", **event})["durability"] == "queue"
    assert functions.agent({"action": "invoked", "user_id": "bob", **event})["status"] == httpx.codes.NOT_FOUND
    assert functions.agent({"action": "invoked", **event})["durability"] == "queue"
    aws.close()
    context = guarded.api.call("POST", "/invoking", json={"thread_id": thread_id}, headers=bearer(issuer.token("ana")))
    assert [message["content"] for message in context["messages"]] == ["q", "a", "q", "a"]
