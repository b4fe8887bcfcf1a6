"""Actions of a user on the page. The actions find elements by text and role, not by structure."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from playwright.sync_api import ConsoleMessage, Error, Locator, Page, Route, expect

# The browser's message about a failed request. Tests let requests fail on purpose.
_FAILED_REQUEST = re.compile(r"Failed to load resource")


class ChatPage:
    """One tab of the browser.

    Attributes:
        errors: The exceptions of scripts and the errors on the console.
    """

    def __init__(self, page: Page, url: str, user_id: str) -> None:
        self.page = page
        self.user_id = user_id
        self.errors: list[str] = []
        self._url = url
        page.on("pageerror", self._on_exception)
        page.on("console", self._on_console_message)
        page.add_init_script(f"localStorage.setItem('hybrid-memory:page:user', {json.dumps(user_id)})")

    def _on_exception(self, error: Error) -> None:
        self.errors.append(str(error))

    def _on_console_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not _FAILED_REQUEST.search(message.text):
            self.errors.append(message.text)

    def open(self, thread_id: str | None = None) -> None:
        """Open the page. With `thread_id`, open this thread."""
        self.page.goto(self._url + (f"#thread={quote(thread_id, safe='')}" if thread_id else ""))
        expect(self.composer).to_be_focused()

    @property
    def composer(self) -> Locator:
        """Return the field for the next message."""
        return self.page.get_by_label("Message", exact=True)

    @property
    def conversation(self) -> Locator:
        """Return the conversation."""
        return self.page.get_by_role("log", name="Conversation")

    @property
    def messages(self) -> Locator:
        """Return the conversation's messages."""
        return self.conversation.get_by_role("article")

    @property
    def threads(self) -> Locator:
        """Return the list of threads."""
        return self.page.get_by_role("navigation", name="Threads", exact=True)

    @property
    def search_field(self) -> Locator:
        """Return the field of the search."""
        return self.threads.get_by_role("searchbox", name="Search messages and titles")

    @property
    def results(self) -> Locator:
        """Return the messages that the search has found."""
        return self.threads.get_by_role("region", name="Messages", exact=True)

    @property
    def hits(self) -> Locator:
        """Return the found exchanges."""
        return self.results.get_by_role("listitem")

    @property
    def inspector(self) -> Locator:
        """Return the inspector."""
        return self.page.get_by_role("region", name="Memory", exact=True)

    @property
    def status(self) -> Locator:
        """Return the conversation's status line for screen readers. Panels have their own."""
        return self.page.get_by_role("region", name="Chat", exact=True).get_by_role("status")

    @property
    def alert(self) -> Locator:
        """Return the error in the conversation."""
        return self.page.get_by_role("region", name="Chat", exact=True).get_by_role("alert")

    @property
    def thread_id(self) -> str:
        """Return the thread id in the URL."""
        match = re.search(r"#thread=(.+)$", self.page.url)
        assert match, self.page.url
        return match[1]

    def panel(self, title: str | re.Pattern[str]) -> Locator:
        """Return a part of the inspector."""
        return self.inspector.get_by_role("region", name=title).first

    def fact(self, panel: str, name: str) -> Locator:
        """Return the value of a panel's field."""
        term = self.page.get_by_role("term").filter(has_text=re.compile(f"^{re.escape(name)}$"))
        return self.panel(panel).locator("div").filter(has=term).get_by_role("definition")

    def send_message(self, text: str) -> Locator:
        """Send a message, wait for the answer, and return the answer."""
        before = self.messages.count()
        self.composer.fill(text)
        self.composer.press("Enter")
        expect(self.messages).to_have_count(before + 2)
        answer = self.messages.last
        expect(answer).to_contain_text("From our conversation I remember")
        return answer

    def block_turns(self) -> list[Route]:
        """Block all further requests for a turn. Return the list to which the blocked requests are added."""
        blocked: list[Route] = []

        def block(route: Route) -> None:
            blocked.append(route)

        self.page.route("**/run", block)
        return blocked

    def layer_rows(self) -> list[list[str]]:
        """Return the rows of the layers' table: message, Redis, PostgreSQL."""
        table = self.panel("This thread in both layers").get_by_role("table")
        cells = "rows => rows.slice(1).map(row => [...row.cells].map(cell => cell.innerText.trim()))"
        return [list(map(str, row)) for row in table.get_by_role("row").evaluate_all(cells)]

    def wait_drained(self) -> None:
        """Wait until PostgreSQL has stored every exchange."""
        expect(self.fact("This thread in both layers", "Not stored yet")).to_have_text("none")

    def show_part(self, name: str) -> None:
        """Show a part of the page on a narrow screen."""
        self.page.get_by_role("navigation", name="Parts of the page").get_by_role("button", name=name).click()

    def wait_until_loaded(self) -> None:
        """Wait until the page has loaded everything."""
        expect(self.page.get_by_text(re.compile(r"^Loading .* …$"))).to_have_count(0)
