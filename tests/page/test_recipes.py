"""The apps in `examples/` build, and chat with a stack that asks for tokens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.support.browser import missing
from tests.support.issuer import Issuer

pytestmark = pytest.mark.embedded(reason="starts a stack of its own")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
BUILD_SECONDS = 240
QUIET = {"CI": "1", "NO_COLOR": "1", "NEXT_TELEMETRY_DISABLED": "1"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return an issuer of tokens."""
    with Issuer() as created:
        yield created


@pytest.fixture(scope="module")
def api_url(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the API's URL in a stack with authentication."""
    with StackProcess(tmp_path_factory.mktemp("guarded"), env={**DEFAULT_SETTINGS, **issuer.environment()}) as stack:
        yield stack.info["api_url"]


def _build(app: str, **settings: str) -> None:
    if not (EXAMPLES / app / "node_modules" / ".stamp").is_file():
        missing(f"The packages of {app} are not installed (make examples/{app}/node_modules/.stamp).")
    built = subprocess.run(
        ["npm", "run", "build"],
        cwd=EXAMPLES / app,
        env={**os.environ, **QUIET, **settings},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert built.returncode == 0, f"{built.stdout[-3000:]}{built.stderr[-3000:]}"


@contextmanager
def _serving(app: str, program: str, *words: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Run the server of a built app on a free port, and return its URL."""
    command = ["node", f"node_modules/{program}", *words, "--port", "0"]
    with subprocess.Popen(
        command, cwd=EXAMPLES / app, env={**os.environ, **QUIET, **settings}, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            lines: list[str] = []
            for line in server.stdout:
                lines.append(line)
                if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                    yield found[0]
                    break
            else:
                pytest.fail("".join(lines))
        finally:
            server.send_signal(signal.SIGTERM)


def _chat(page: Page, url: str, token: str) -> None:
    """Send a message, and read it again after a reload. Each request has the user's token."""
    sent: list[str | None] = []
    page.on("request", lambda request: sent.append(request.headers.get("authorization")))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    page.get_by_label("Message").fill("My name is Ada.")
    page.get_by_role("button", name="Send").click()
    conversation = page.get_by_role("log", name="Conversation")
    expect(conversation).to_contain_text("From our conversation I remember")
    page.reload()
    expect(conversation).to_contain_text("My name is Ada.")
    expect(conversation).to_contain_text("From our conversation I remember")
    assert f"Bearer {token}" in sent
    assert errors == []


def test_the_next_app_gets_its_token_from_the_server(context: BrowserContext, api_url: str, issuer: Issuer) -> None:
    """The production build of the Next.js app sends the token that its server holds."""
    _build("nextjs")
    user = f"user_{uuid4().hex[:12]}"
    settings = {"MEMORY_API": api_url, "MEMORY_USER": user, "MEMORY_TOKEN": issuer.token(user)}
    with _serving("nextjs", "next/dist/bin/next", "start", "--hostname", "127.0.0.1", settings=settings) as url:
        _chat(context.new_page(), url, settings["MEMORY_TOKEN"])


def test_the_vite_app_sends_the_token_of_the_browsers_session(
    context: BrowserContext, api_url: str, issuer: Issuer
) -> None:
    """The production build of the Vite app sends the token of the signed-in user."""
    _build("vite", VITE_MEMORY_API=api_url)
    user = f"user_{uuid4().hex[:12]}"
    session = {"user": user, "token": issuer.token(user)}
    context.add_init_script(f"Object.assign(sessionStorage, {json.dumps(session)})")
    with _serving("vite", "vite/bin/vite.js", "preview", "--host", "127.0.0.1", settings={}) as url:
        _chat(context.new_page(), url, session["token"])


def test_the_assistant_ui_app_replaces_what_is_regenerated_and_edited(
    context: BrowserContext, api_url: str, issuer: Issuer
) -> None:
    """The production build shows the stored messages after a reload: each turn once, and the edited text."""
    _build("assistant-ui", VITE_MEMORY_API=api_url)
    user = f"user_{uuid4().hex[:12]}"
    session = {"user": user, "token": issuer.token(user)}
    context.add_init_script(f"Object.assign(sessionStorage, {json.dumps(session)})")
    with _serving("assistant-ui", "vite/bin/vite.js", "preview", "--host", "127.0.0.1", settings={}) as url:
        page = context.new_page()
        _chat(page, url, session["token"])
        texts = page.get_by_role("log", name="Conversation").locator("p")
        page.get_by_label("Message").fill("What is my name?")
        page.get_by_role("button", name="Send").click()
        expect(texts).to_have_count(4)
        expect(texts.nth(3)).to_contain_text("Your name is Ada.")

        with page.expect_response("**/run") as regenerated:
            page.get_by_role("button", name="Answer again").last.click()
        assert (regenerated.value.request.post_data_json or {}).get("replaces")
        _expect_stored(page, ["My name is Ada.", "", "What is my name?", "Your name is Ada."])

        page.get_by_role("button", name="Edit").first.click()
        page.get_by_label("Edited message").fill("My name is Grace.")
        page.get_by_role("button", name="Send edited").click()
        expect(texts.nth(1)).to_contain_text("Nice to meet you, Grace!")
        _expect_stored(page, ["My name is Grace.", "Nice to meet you, Grace!"])


def test_the_ai_sdk_app_stores_its_messages_with_their_parts(
    context: BrowserContext, api_url: str, issuer: Issuer
) -> None:
    """The route's model gets the preferences. A reload shows the tool's output, and a regenerated answer once."""
    _build("ai-sdk")
    user = f"user_{uuid4().hex[:12]}"
    settings = {"MEMORY_API": api_url, "MEMORY_USER": user, "MEMORY_TOKEN": issuer.token(user)}
    headers = {"Authorization": f"Bearer {settings['MEMORY_TOKEN']}"}
    set_tone = httpx.patch(f"{api_url}/users/{user}/preferences", json={"tone": "brief"}, headers=headers)
    assert set_tone.status_code == HTTPStatus.OK, set_tone.text
    with _serving("ai-sdk", "next/dist/bin/next", "start", "--hostname", "127.0.0.1", settings=settings) as url:
        page = context.new_page()
        page.goto(f"{url}/?thread={user}")
        for text in ("My name is Ada.", "What time is it?"):
            page.get_by_label("Message").fill(text)
            page.get_by_role("button", name="Send").click()
            answer = page.get_by_role("log", name="Conversation").get_by_text("assistant: I was told: ").last
            expect(answer).to_contain_text(f"{text}. I know: User preferences:\ntone: brief.")
            expect(page.get_by_role("button", name="Answer again")).to_be_enabled()
        shown = ["user: My name is Ada.", "assistant: ", "user: What time is it?", 'tool: {"time":"20', "assistant: "]
        _expect_stored(page, shown)

        output = page.get_by_text('tool: {"time"').inner_text()
        page.get_by_role("button", name="Answer again").click()
        expect(page.get_by_text(output)).to_have_count(0)
        expect(page.get_by_role("button", name="Answer again")).to_be_enabled()
        _expect_stored(page, shown)
    stored = httpx.get(f"{api_url}/threads/{user}/messages", headers=headers).json()["items"]
    assert [message["role"] for message in stored] == ["user", "assistant"] * 2
    assert [step["type"] for step in stored[2]["metadata"]["steps"]] == ["tool_call", "tool_result"]


def _expect_stored(page: Page, beginnings: list[str]) -> None:
    """Check the shown messages, and that a reload shows the same ones."""
    texts = page.get_by_role("log", name="Conversation").locator("p")
    for _ in range(2):
        expect(texts).to_have_text([re.compile(f"^{re.escape(text)}") for text in beginnings])
        page.wait_for_load_state("networkidle")
        page.reload()
