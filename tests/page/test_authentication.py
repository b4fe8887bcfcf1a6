"""The page of a deployment with authentication shows each user's own threads. Only operators see the queues."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, expect

from infra.local.client import StackProcess
from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.page.chat_page import ChatPage
from tests.page.conftest import require_built_page
from tests.support.issuer import Issuer

pytestmark = pytest.mark.embedded(reason="starts a stack of its own")
BACKLOG_PANEL = "Waiting to be stored"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Return an issuer of tokens."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def page_url(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the page's URL in a stack with authentication."""
    require_built_page()
    with StackProcess(tmp_path_factory.mktemp("guarded"), env={**DEFAULT_SETTINGS, **issuer.environment()}) as stack:
        yield f"{stack.info['api_url']}/"


def _sign_in(context: BrowserContext, page_url: str, token: str, thread_id: str) -> ChatPage:
    chat = ChatPage(context.new_page(), page_url, "nobody")
    chat.page.goto(f"{page_url}#thread={thread_id}")
    _enter_token(chat, token)
    return chat


def _enter_token(chat: ChatPage, token: str) -> None:
    chat.page.get_by_label("Bearer token").fill(token)
    chat.page.get_by_label("Bearer token").press("Enter")
    expect(chat.page.get_by_role("dialog")).to_be_hidden()


def test_users_see_their_own_threads(context: BrowserContext, page_url: str, issuer: Issuer) -> None:
    """The token identifies the user. A thread belongs to its owner, and only operators see the queues."""
    thread_id, ana = f"diary-{uuid4().hex[:6]}", f"ana-{uuid4().hex[:6]}"
    chat = _sign_in(context, page_url, issuer.token(ana), thread_id)
    expect(chat.page.get_by_label("User", exact=True)).to_have_value(ana)
    expect(chat.page.get_by_label("User", exact=True)).not_to_be_editable()
    chat.send_message("Dear diary, nobody may read this.")
    expect(chat.panel(BACKLOG_PANEL)).to_contain_text("Only operators can see the queues")
    chat.wait_drained()

    chat.page.reload()
    _enter_token(chat, issuer.token(ana))
    expect(chat.messages).to_have_count(2)

    other = _sign_in(context, page_url, issuer.token("bob"), thread_id)
    expect(other.panel("This thread in both layers")).to_contain_text("Nothing stored yet")
    other.composer.fill("Let me in.")
    other.composer.press("Enter")
    expect(other.alert).to_contain_text("There is no such thread.")
    expect(other.conversation).not_to_contain_text("Dear diary")
    expect(other.threads).to_contain_text("No conversations yet")

    operator = _sign_in(context, page_url, issuer.token("root", scope="memory:operator"), thread_id)
    expect(operator.messages).to_have_count(2)
    expect(operator.fact(BACKLOG_PANEL, "PostgreSQL is behind by")).to_be_visible()
