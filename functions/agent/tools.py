"""The built-in tools of agents: functions that return text and raise no exceptions.

A failing tool returns a sentence, so that the model can continue and the user gets an answer. The `ToolContext` limits
a tool's access to one user's data. The model cannot read or change the context.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from shared.errors import StoreUnavailable
from shared.memory.search.results import SEARCH, SearchAnswer, SearchItem
from shared.texts import text_error

_logger = logging.getLogger(__name__)

_UTC_NAMES: Final = frozenset({"", "UTC", "Z", "GMT", "ETC/UTC"})
MAX_HITS: Final = 20
MAX_MEMORIES: Final = 100
HIT_LENGTH: Final = 300  # the maximum number of characters of a message in the result


class SearchConversations(Protocol):
    """Searches one user's exchanges."""

    def __call__(self, user_id: str, query: str, *, limit: int, exclude_thread: str | None) -> SearchAnswer:
        """Return at most `limit` matching exchanges, best first, none from `exclude_thread`.

        Raises:
            StoreUnavailable: The run has ended.
        """
        ...


def nothing_known(_user_id: str) -> Sequence[dict[str, Any]]:
    """Return no memories."""
    return ()


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The context of a run's tools.

    Attributes:
        clock: Returns the current time, with its time zone.
        known: Returns a user's current memories as the API's JSON. Only the event loop's thread may call it.
    """

    search: SearchConversations
    user_id: str | None
    thread_id: str | None
    clock: Callable[[], datetime] = _now
    known: Callable[[str], Sequence[dict[str, Any]]] = nothing_known


def current_time(context: ToolContext, time_zone: str = "UTC") -> str:
    """Tell the current date and time in ISO 8601.

    Args:
        context: The run.
        time_zone: An IANA time zone such as Europe/Paris. UTC when left out.
    """
    now = context.clock()
    zone = _zone(time_zone.strip())
    if zone is not None:
        return now.astimezone(zone).isoformat(timespec="seconds")
    in_utc = now.astimezone(UTC).isoformat(timespec="seconds")
    name = time_zone[:64]
    return f"Unknown time zone {name!r}: name an IANA zone such as Europe/Paris. In UTC it is {in_utc}."


def _zone(name: str) -> tzinfo | None:
    if name.upper() in _UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # KeyError: the zone is unknown. ValueError: the text is not a zone's name ("../x"). OSError: the name is a
        # directory ("America").
        return None


def search_conversations(context: ToolContext, query: str, limit: int = 5) -> str:
    """Search everything that the user said or was told in earlier conversations, without the current one.

    Args:
        context: The run.
        query: What to look for: words or a question.
        limit: The maximum number of exchanges to return, 1 to 20.
    """
    if context.user_id is None:
        return "Earlier conversations cannot be searched: it is not known who the user is."
    words = query.strip()
    if not words or text_error(words):
        return "Earlier conversations cannot be searched without words to look for."
    limit = min(max(limit, 1), MAX_HITS)
    try:
        answer = context.search(context.user_id, words, limit=limit, exclude_thread=context.thread_id)
    except StoreUnavailable as error:
        _logger.warning("search_conversations: %s", error)
        return "Earlier conversations cannot be searched now: their store did not answer."
    except Exception:
        # A failed search does not fail the turn; the error is in the log.
        _logger.exception("search_conversations failed")
        return "Earlier conversations cannot be searched now: the search failed."
    note = ["Some of the conversations could not be searched now."] if SEARCH in answer.degraded else []
    if not answer.items:
        return "\n".join(["Nothing was found in earlier conversations.", *note])
    lines = [_line(item) for item in answer.items[:limit]]
    return "\n".join([f"Found in earlier conversations: {len(lines)}", *lines, *note])


async def what_is_known(context: ToolContext) -> str:
    """Tell what is known about the user from earlier conversations: facts and preferences, each with its date.

    Args:
        context: The run.
    """
    if context.user_id is None:
        return "Nothing can be looked up: it is not known who the user is."
    try:
        memories = context.known(context.user_id)
    except StoreUnavailable as error:
        _logger.warning("what_is_known: %s", error)
        return "What is known about the user cannot be looked up now: its store did not answer."
    except Exception:
        # A failed lookup does not fail the turn; the error is in the log.
        _logger.exception("what_is_known failed")
        return "What is known about the user cannot be looked up now: the lookup failed."
    if not memories:
        return "Nothing is known about the user yet."
    lines = [_memory_line(each) for each in memories[:MAX_MEMORIES]]
    return "\n".join([f"Known about the user: {len(memories)}", *lines])


def _memory_line(memory: dict[str, Any]) -> str:
    key = f"{memory['key']}: " if "key" in memory else ""
    return f"- {_shortened(key + memory['text'])} (since {memory['valid_from'][:10]})"


def _line(item: SearchItem) -> str:
    exchange = item.exchange
    day = exchange.created_at.astimezone(UTC).isoformat(timespec="seconds")
    return (
        f"- {day}, in {item.title or 'an untitled conversation'!r}, user: {_shortened(exchange.user_message)}"
        f" assistant: {_shortened(exchange.assistant_message)}"
    )


def _shortened(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= HIT_LENGTH else text[: HIT_LENGTH - 1] + "…"
