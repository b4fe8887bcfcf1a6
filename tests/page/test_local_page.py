"""The panel "Break it and see" of the page that `make run` serves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from functions.agent.http.page_routes import _FOLDER
from infra.local.client import StackProcess
from infra.local.page.server import BUILT
from tests.page.chat_page import ChatPage
from tests.page.conftest import require_built_page
from tests.support.browser import axe_violations, missing, scrolls_sideways

pytestmark = pytest.mark.embedded(reason="of the page that `make run` serves")
BREAKS = "Break it and see"
GUARANTEES = "What is guaranteed, checked now"
WIDTHS = (1440, 1024, 390)
# Names that only the panel's code contains.
CONTROLS = ("_local/", "X-Local-Token", "freeze-postgres")


def _scripts(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.rglob("*") if file.suffix in {".js", ".css", ".html"})


@pytest.fixture
def local(context: BrowserContext, stack: StackProcess, user_id: str) -> Iterator[ChatPage]:
    """Open the page with the URL that `make run` prints. Errors of scripts and of the policy fail the test."""
    require_built_page()
    if not (BUILT / "local.html").is_file():
        missing("The local page is not built (python -m infra.build.page --local).")
    page = ChatPage(context.new_page(), stack.info["page_url"], user_id)
    page.open()
    yield page
    running = page.panel(BREAKS).get_by_role("button", name=re.compile("^End: "))
    if running.count():
        running.click()
        expect(running).to_have_count(0)
    assert not page.errors


def _status(page: ChatPage) -> Locator:
    return page.panel(BREAKS).get_by_role("status")


def test_the_deployed_page_has_no_panel() -> None:
    """The files that the artifact contains have none of the panel's code. The local page has it."""
    require_built_page()
    deployed, local = _scripts(_FOLDER / "built"), _scripts(BUILT)  # type: ignore[arg-type]  # a folder on disk
    assert [name for name in CONTROLS if name in deployed] == []
    assert [name for name in CONTROLS if name not in local] == []


def test_the_token_leaves_the_address_bar(local: ChatPage, stack: StackProcess) -> None:
    """The token is neither in the URL nor in the URL of a request. After a reload the panel still works."""
    token = stack.info["page_url"].partition("#local=")[2]
    urls: list[str] = []
    local.page.on("request", lambda request: urls.append(request.url))
    assert token not in local.page.url
    local.page.reload()
    button = local.panel(BREAKS).get_by_role("button", name="Freeze Redis")
    expect(button).to_be_enabled()
    assert token not in local.page.evaluate("location.href + JSON.stringify(history.state) + document.cookie")
    assert urls
    assert [url for url in urls if token in url] == []
    assert token not in str(local.page.evaluate("JSON.stringify(localStorage)"))


def test_without_the_token_the_panel_says_how_to_get_it(context: BrowserContext, stack: StackProcess) -> None:
    """The chat works without the token, and the panel names the URL that `make run` prints."""
    page = ChatPage(context.new_page(), stack.info["page_url"].partition("#")[0], "ada")
    page.open()
    expect(page.panel(BREAKS)).to_contain_text("Open the page with the URL that make run prints")
    assert page.panel(BREAKS).get_by_role("button").count() == 0
    wrong = ChatPage(context.new_page(), page.page.url.partition("#")[0] + "#local=wrong", "ada")
    wrong.open()
    expect(wrong.panel(BREAKS).get_by_role("alert")).to_contain_text(
        "Open the page with the URL that `make run` prints"
    )
    page.send_message("My name is Ada Lovelace.")


def test_a_break_is_shown_until_it_ends(local: ChatPage) -> None:
    """The button freezes Redis, the answer's badge names PostgreSQL, and the same button ends the break."""
    local.send_message("My name is Ada Lovelace.")
    local.wait_drained()
    panel = local.panel(BREAKS)
    panel.get_by_role("button", name="Freeze Redis").click()
    end = panel.get_by_role("button", name="End: Freeze Redis")
    expect(end).to_have_attribute("aria-pressed", "true")
    expect(_status(local)).to_have_text("Redis is frozen.")
    expect(panel).to_contain_text(re.compile(r"It ends by itself in \d+ s\."))
    expect(panel.get_by_role("button", name="Stop the queue")).to_be_disabled()
    answer = local.send_message("What is my name?")
    expect(answer).to_contain_text("Redis down, answered from PostgreSQL")
    assert not axe_violations(local.page)
    end.click()
    expect(_status(local)).to_have_text("Redis continues.")
    expect(panel.get_by_role("button", name="Stop the queue")).to_be_enabled()


def test_the_guarantees_name_what_was_checked(local: ChatPage) -> None:
    """The four lines have the numbers of this conversation."""
    guarantees = local.panel(GUARANTEES)
    local.send_message("My name is Ada Lovelace.")
    local.send_message("What is my name?")
    local.wait_drained()
    expect(guarantees).to_contain_text(re.compile(r"Nothing lost\s*\d+ of \d+"))
    expect(guarantees).to_contain_text(re.compile(r"Redis and PostgreSQL identical\s*same 4 messages"))
    expect(guarantees).to_contain_text(re.compile(r"You see your own writes\s*last turn"))
    expect(guarantees).to_contain_text(re.compile(r"No duplicates\s*\d+ (retry|retries), 0 doubled"))


def test_chaos_shows_its_counters(local: ChatPage) -> None:
    """The counters move while the chaos runs. In the end nothing is lost or doubled."""
    panel = local.panel(BREAKS)
    panel.get_by_role("button", name="Run chaos 30 s").click()
    chaos = panel.get_by_role("group", name="Chaos")
    expect(chaos).to_contain_text(re.compile(r"\d+ s left"))
    expect(chaos).to_contain_text(re.compile(r"Accepted\s*[1-9]"))
    assert not axe_violations(local.page)
    expect(chaos).to_contain_text("Finished", timeout=80_000)
    expect(_status(local)).to_have_text(re.compile(r"^(\d+) accepted, \1 stored, 0 lost, 0 doubled\.$"))
    expect(chaos).to_contain_text(re.compile(r"Lost\s*0\s*Doubled\s*0"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_panel_fits_each_width(
    local: ChatPage, width: int, scheme: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The tool axe finds nothing, in both colour schemes, with the help open, and the page does not scroll sideways."""
    local.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    local.page.set_viewport_size({"width": width, "height": 900})
    local.send_message("My name is Ada Lovelace.")
    if width == min(WIDTHS):
        local.show_part("Memory")
    expect(local.panel(GUARANTEES)).to_contain_text("last turn")
    local.panel(BREAKS).get_by_text("What each of these does").click()
    assert not axe_violations(local.page)
    assert not scrolls_sideways(local.page)
    local.panel(BREAKS).scroll_into_view_if_needed()
    local.page.screenshot(path=tmp_path / f"{request.node.name}.png")
