"""Each tool always returns a text."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from functions.agent.tools import HIT_LENGTH, MAX_HITS, ToolContext, current_time, search_conversations, what_is_known
from shared.errors import StoreUnavailable
from shared.memory.search.results import SearchAnswer, SearchItem
from tests.support.searches import found, item

NOON = datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC)
HIT = item("I love\n  pizza", "Which one?", "Dinner", NOON)


class FakeSearch:
    """A search that records its calls, and returns hits or raises an error."""

    def __init__(self, *items: SearchItem, degraded: tuple[str, ...] = (), error: Exception | None = None) -> None:
        self.answer = found(*items, degraded=degraded)
        self.error = error
        self.calls: list[tuple[str, str, int, str | None]] = []

    def __call__(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> SearchAnswer:
        self.calls.append((user_id, query, limit, exclude_thread))
        if self.error:
            raise self.error
        return self.answer


def _context(search: FakeSearch | None = None, user_id: str | None = "ana") -> ToolContext:
    return ToolContext(search=search or FakeSearch(), user_id=user_id, thread_id="now", clock=lambda: NOON)


@pytest.mark.parametrize("zone", ["", "UTC", "utc", " Etc/UTC ", "Z", "GMT"])
def test_each_name_of_utc_is_accepted(zone: str) -> None:
    """The tool accepts each name of UTC, in upper and lower case."""
    assert current_time(_context(), zone) == "2026-07-01T12:00:00+00:00"


def test_the_time_includes_daylight_saving_time() -> None:
    """The time in a zone includes daylight saving time."""
    assert current_time(_context(), "Europe/Paris") == "2026-07-01T14:00:00+02:00"


def test_the_default_clock_is_the_real_one() -> None:
    """By default, the tool uses the real clock."""
    result = datetime.fromisoformat(current_time(ToolContext(FakeSearch(), None, None)))
    assert abs((datetime.now(UTC) - result).total_seconds()) < 60


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "a\x00b", "America", "x" * 5000])
def test_an_unknown_zone_gets_the_time_in_utc(zone: str) -> None:
    """The answer names the unknown zone and has the time in UTC, for any exception of zoneinfo."""
    answer = current_time(_context(), zone)
    assert answer.startswith("Unknown time zone ")
    assert answer.endswith("In UTC it is 2026-07-01T12:00:00+00:00.")
    assert len(answer) < 400


def test_a_search_is_for_this_user_without_this_thread() -> None:
    """The search uses the run's user, and excludes the run's thread."""
    search = FakeSearch(HIT)
    answer = search_conversations(_context(search), "  pizza ", limit=3)
    assert search.calls == [("ana", "pizza", 3, "now")]
    assert answer == (
        "Found in earlier conversations: 1\n"
        "- 2026-07-01T12:00:00+00:00, in 'Dinner', user: I love pizza assistant: Which one?"
    )


@pytest.mark.parametrize(("requested", "used"), [(-1, 1), (0, 1), (1000, MAX_HITS)])
def test_the_search_limit_is_bounded(requested: int, used: int) -> None:
    """The limit that a model sets for a search has a minimum and a maximum."""
    search = FakeSearch()
    search_conversations(_context(search), "pizza", limit=requested)
    assert search.calls[0][2] == used


def test_long_hits_are_cut() -> None:
    """A long hit is cut, and the conversation of a hit may have no title."""
    long_item = item("x" * 5000, "y" * 5000)
    answer = search_conversations(_context(FakeSearch(long_item)), "x")
    assert "an untitled conversation" in answer
    assert "x" * (HIT_LENGTH - 1) + "…" in answer
    assert "y" * (HIT_LENGTH - 1) + "…" in answer
    assert len(answer) < 2 * HIT_LENGTH + 200


def test_a_search_without_hits_is_reported() -> None:
    """If the search finds nothing, the answer says so."""
    assert search_conversations(_context(), "pizza") == "Nothing was found in earlier conversations."


def test_an_incomplete_search_is_reported() -> None:
    """If the search did not look at everything, the answer says so, with and without hits."""
    for items in ([], [HIT]):
        answer = search_conversations(_context(FakeSearch(*items, degraded=("redis", "search"))), "pizza")
        assert answer.endswith("\nSome of the conversations could not be searched now.")


def test_there_is_no_search_without_a_user() -> None:
    """Without a user, the tool does not call the search."""
    search = FakeSearch(HIT)
    assert "not known who the user is" in search_conversations(_context(search, user_id=None), "pizza")
    assert search.calls == []


@pytest.mark.parametrize("query", ["", "  ", "a\x00b", "\ud800"])
def test_invalid_queries_are_not_searched(query: str) -> None:
    """The tool does not call the search with words that the store cannot search."""
    search = FakeSearch(HIT)
    assert "without words" in search_conversations(_context(search), query)
    assert search.calls == []


@pytest.mark.parametrize(
    ("error", "expected", "level"),
    [
        (StoreUnavailable("postgres"), "did not answer", logging.WARNING),
        (RuntimeError("relation missing"), "the search failed", logging.ERROR),
    ],
)
def test_a_failed_search_is_reported_and_logged(
    error: Exception, expected: str, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    """If the search fails, the model gets a sentence, and the log gets a line."""
    answer = search_conversations(_context(FakeSearch(error=error)), "pizza")
    assert expected in answer
    assert "relation" not in answer
    assert [record.levelno for record in caplog.records] == [level]


def _known(user_id: str) -> Sequence[dict[str, Any]]:
    since = {"valid_from": "2026-01-02T03:04:05.000000Z"}
    return [{"text": f"Is called {user_id}", **since}, {"key": "units", "text": "metric", **since}]


def test_what_is_known_is_listed_with_its_dates() -> None:
    """The tool lists the memories of the run's user only."""
    context = ToolContext(FakeSearch(), "ana", None, known=_known)
    assert asyncio.run(what_is_known(context)).splitlines() == [
        "Known about the user: 2",
        "- Is called ana (since 2026-01-02)",
        "- units: metric (since 2026-01-02)",
    ]
    assert asyncio.run(what_is_known(_context())) == "Nothing is known about the user yet."
    assert "not known who the user is" in asyncio.run(
        what_is_known(ToolContext(FakeSearch(), None, None, known=_known))
    )


@pytest.mark.parametrize("error", [StoreUnavailable("postgres"), RuntimeError("secret")])
def test_a_failed_lookup_of_what_is_known_is_a_sentence(error: Exception) -> None:
    """The tool raises no exception, and does not tell the model what failed inside."""

    def fail(_: str) -> Sequence[dict[str, Any]]:
        raise error

    answer = asyncio.run(what_is_known(ToolContext(FakeSearch(), "ana", None, known=fail)))
    assert "cannot be looked up now" in answer
    assert "secret" not in answer
