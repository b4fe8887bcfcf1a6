"""The guarantees of the memory, checked now against the stores."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from infra.local.page.ledger import Ledger
from infra.local.page.stores import StoreReader
from shared.errors import StoreUnavailable
from shared.ids import id_error

if TYPE_CHECKING:
    from infra.local.stack import Stack

_API_SECONDS: Final = 10
_NEWEST: Final = 20
_LAYER_NAMES: Final = {"redis": "Redis", "postgres": "PostgreSQL", "queue": "The queue"}
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        state: `ok`, `waiting` (true as soon as the queue is drained), `fault`, `unknown` (a store did not respond), or
            `none` (there is nothing to check yet).
    """

    state: Literal["ok", "waiting", "fault", "unknown", "none"]
    detail: str


class Guarantees:
    """Checks four guarantees, with what the API accepted through the local page and what the stores have now."""

    def __init__(self, stack: Stack, stores: StoreReader, ledger: Ledger) -> None:
        self._stack = stack
        self._stores = stores
        self._ledger = ledger

    def check(self, thread_id: str | None, authorization: str | None) -> dict[str, dict[str, str]]:
        """Return the result of each check, as JSON.

        Args:
            thread_id: The thread that the page shows.
            authorization: The caller's Authorization header, for the request to the API.
        """
        shown = thread_id if thread_id and not id_error(thread_id) else None
        checks: dict[str, Callable[[], Check]] = {
            "nothing_lost": self._nothing_lost,
            "layers_identical": lambda: self._layers_identical(shown),
            "own_writes": lambda: self._own_writes(shown, authorization),
            "no_duplicates": self._no_duplicates,
        }
        # Together, so that a server that does not respond delays the answer only once.
        with ThreadPoolExecutor(len(checks)) as pool:
            results = dict(zip(checks, pool.map(_guarded, checks.values()), strict=True))
        return {name: {"state": result.state, "detail": result.detail} for name, result in results.items()}

    def _nothing_lost(self) -> Check:
        accepted = self._ledger.accepted()
        if not accepted:
            return Check("none", "nothing accepted yet")
        try:
            waiting = sum(self._stores.backlog())
            reason = None
        except StoreUnavailable as error:
            waiting, reason = 0, _describe(error)
        # PostgreSQL is read last. An exchange that is drained meanwhile then counts as stored.
        stored = self._stores.stored(accepted)
        kept = len(accepted) - len(stored.deleted)
        missing = kept - len(stored.found)
        if missing <= 0:
            return Check("ok", f"{kept} of {kept}")
        if reason is not None:
            return Check("unknown", reason)
        if missing <= waiting:
            return Check("waiting", f"{len(stored.found)} of {kept} stored, {missing} queued")
        return Check("fault", f"{missing - waiting} of {kept} lost")

    def _layers_identical(self, thread_id: str | None) -> Check:
        if thread_id is None:
            return Check("none", "no thread open")
        comparison = self._stores.compare(thread_id)
        if comparison is not None and comparison.differences:
            # An exchange may have been replaced or deleted between the two reads.
            comparison = self._stores.compare(thread_id)
        if comparison is None:
            return Check("none", "not in Redis now")
        if comparison.differences:
            return Check("fault", f"{len(comparison.differences)} differences")
        messages = 2 * (comparison.exchanges - comparison.pending)
        if comparison.pending:
            return Check("waiting", f"same {messages} messages, {2 * comparison.pending} waiting")
        return Check("ok", f"same {messages} messages")

    def _own_writes(self, thread_id: str | None, authorization: str | None) -> Check:
        last = self._ledger.last_of(thread_id) if thread_id is not None else None
        if thread_id is None or last is None:
            return Check("none", "no message sent yet")
        try:
            messages = self._newest_messages(thread_id, authorization)
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.NOT_FOUND:
                return Check("unknown", f"the API answered with {error.code}")
            messages = []
        except (OSError, ValueError):
            return Check("unknown", "the API is not responding")
        if any(message.get("exchange_id") == str(last.exchange_id) for message in messages):
            return Check("ok", "last turn")
        if self._stores.deleted([last]):
            return Check("none", "the last turn is deleted")
        return Check("fault", "the last turn is missing")

    def _newest_messages(self, thread_id: str, authorization: str | None) -> list[dict[str, Any]]:
        deployment = self._stack.deployment
        if deployment is None:
            raise OSError
        url = f"{deployment.api_url}/threads/{quote(thread_id, safe='')}/messages?order=desc&limit={_NEWEST}"
        headers = {"Authorization": authorization} if authorization else {}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the URL of this stack's own emulator
        with _DIRECT.open(request, timeout=_API_SECONDS) as response:
            items: list[dict[str, Any]] = json.load(response)["items"]
        return items

    def _no_duplicates(self) -> Check:
        retries, second_exchanges = self._ledger.retries()
        accepted = self._ledger.accepted()
        doubled = second_exchanges + (self._stores.stored(accepted).doubled if accepted else 0)
        sent = f"{retries} {'retry' if retries == 1 else 'retries'}"
        if not accepted:
            return Check("none", "nothing accepted yet")
        return Check("fault" if doubled else "ok", f"{sent}, {doubled} doubled")


def _guarded(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except StoreUnavailable as error:
        return Check("unknown", _describe(error))


def _describe(error: StoreUnavailable) -> str:
    return f"{_LAYER_NAMES.get(error.layer, error.layer)} {error.state}"
