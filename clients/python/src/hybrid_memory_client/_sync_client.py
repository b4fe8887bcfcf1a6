"""The synchronous client. Made from `_async_client.py` by `clients/python/unasync.py`: edit that one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from hybrid_memory_client import _calls as calls
from hybrid_memory_client._sync_sender import Sender
from hybrid_memory_client._calls import Order
from hybrid_memory_client.errors import HistoryDegraded, InvalidRequest
from hybrid_memory_client.inspection import Layers, Status
from hybrid_memory_client.models import Context, Health, Kept, Message, Page, RunResult, Thread


class MemoryClient(Sender):
    """A client of one deployment. Methods are named like the API's operations, and return frozen dataclasses.

    Every call is repeated after a lost connection, 429, 502, 503 and 504: none has an effect twice, `run` by its
    `Idempotency-Key` and `invoked` by its `exchange_id`, which stay the same over all tries.

    All methods raise `ApiError` (or one of its kinds) for a problem, `ConnectionFailed` when no answer came,
    `NotThisApi` when something else answers at the URL, and `CannotBeKept`, before anything is sent, for what the
    memory cannot hold.

    Args:
        base_url: The API's URL, its stage included, e.g. `https://….execute-api.eu-central-1.amazonaws.com/prod`.
        auth: A bearer token, a function that returns one (asked again when one is refused), or any
            `httpx.Auth`.
        timeout: Of each try: seconds, or an `httpx.Timeout`.
        retry: How often and how long.
        headers: Sent with every request.
        http_client: Used instead of one of its own, with its timeout, proxies and certificates, and not closed here.
            The client's own does not heed proxies in the environment.
    """

    # --- turns ---

    def run(
        self,
        prompt: str,
        *,
        agent_name: str | None = None,
        instructions: str | None = None,
        tools: Sequence[str] = (),
        thread_id: str | None = None,
        user_id: str | None = None,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        replaces: UUID | str | None = None,
        max_context_tokens: int | None = None,
        idempotency_key: str | None = None,
    ) -> RunResult:
        """Run a turn with the service's own agent: recall, answer, keep.

        While another request with the same key is still running, waits for its answer.

        Args:
            prompt: What the user says.
            agent_name: Another agent than the service's default.
            instructions: Other instructions than the service's default; the memory is added to them.
            tools: Registered tools for this run.
            thread_id: Without it there is no history.
            user_id: Without it there are no preferences.
            document_ids: Attached to the thread.
            exchange_id: Names the exchange, so that it can be found without the answer.
            metadata: A JSON object kept beside the texts, at most 100,000 bytes.
            replaces: An exchange of the thread: the agent is given the history before it, and the new exchange takes
                its place and its id.
            max_context_tokens: Bounds what the memory adds to the instructions, within the service's own bound.
            idempotency_key: Names this turn also beyond this call: the same one within a day is one run and one answer.
                Made for the call when left out.
        """
        return self._send(
            calls.run(
                prompt,
                agent_name,
                instructions,
                tools,
                thread_id,
                user_id,
                document_ids,
                exchange_id,
                metadata,
                replaces,
                max_context_tokens,
                str(self.new_id()) if idempotency_key is None else idempotency_key,
            )
        )

    def invoking(
        self,
        *,
        thread_id: str | None = None,
        user_id: str | None = None,
        query: str | None = None,
        max_context_tokens: int | None = None,
        limit: int | None = None,
        include: Sequence[str] | None = None,
    ) -> Context:
        """Return what the memory holds for a turn: before an agent of one's own runs.

        Args:
            thread_id: Without it there is no history.
            user_id: Without it there are no preferences.
            query: What the user says; of no effect yet.
            max_context_tokens: Bounds the context, within the service's own bound.
            limit: The most exchanges, 1 to the size of the service's window.
            include: Of `context`, `messages`, `preferences`, `memories`, `related`; the first three when left out.
        """
        found = self._send(calls.invoking(thread_id, user_id, query, max_context_tokens, limit, include))
        self._ids.see(message.exchange_id for message in found.messages)
        return found

    def invoked(
        self,
        user_message: str,
        assistant_message: str,
        *,
        thread_id: str | None = None,
        user_id: str | None = None,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Kept:
        """Keep an exchange: after an agent of one's own has run.

        Args:
            user_message: What the user said.
            assistant_message: What the agent answered.
            thread_id: Without it nothing is kept.
            user_id: Who said it.
            document_ids: Attached to the thread.
            exchange_id: Names the exchange also beyond this call: the same one twice is one exchange. Made for the call
                when left out.
            metadata: A JSON object kept beside the texts, at most 100,000 bytes: tool calls, say.
        """
        given = user_message, assistant_message, thread_id, user_id, document_ids
        try:
            return self._send(calls.invoked(*given, exchange_id or self.new_id(), metadata))
        except InvalidRequest as error:
            if exchange_id is not None or not calls.is_future_id(error):
                raise
            # The answer has corrected the clock.
            return self._send(calls.invoked(*given, self.new_id(), metadata))

    def replace_exchange(
        self,
        thread_id: str,
        exchange_id: UUID | str,
        user_message: str,
        assistant_message: str,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> Kept:
        """Put other texts and metadata in an exchange's place."""
        return self._send(calls.replace_exchange(thread_id, exchange_id, user_message, assistant_message, metadata))

    def delete_exchange(self, thread_id: str, exchange_id: UUID | str) -> None:
        """Remove an exchange from its thread."""
        self._send(calls.delete_exchange(thread_id, exchange_id))

    # --- threads ---

    def list_threads(
        self, user_id: str | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Thread]:
        """Return a page of a user's threads, newest first; with a token, its own user's unless another is named."""
        return self._send(calls.list_threads(user_id, limit, cursor))

    def iter_threads(self, user_id: str | None = None, *, page_size: int | None = None) -> Iterator[Thread]:
        """Yield all of a user's threads, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = self.list_threads(user_id, limit=page_size, cursor=cursor)
            for thread in page.items:
                yield thread
            cursor = page.next_cursor
            if cursor is None:
                return

    def read_thread(self, thread_id: str) -> Thread:
        """Return a thread with its `document_ids`."""
        return self._send(calls.read_thread(thread_id))

    def read_messages(
        self, thread_id: str, *, limit: int | None = None, cursor: str | None = None, order: Order = "asc"
    ) -> Page[Message]:
        """Return a page of a thread's messages, from PostgreSQL and what only Redis has yet."""
        page = self._send(calls.read_messages(thread_id, limit, cursor, order))
        self._ids.see(message.exchange_id for message in page.items)
        return page

    def iter_messages(
        self, thread_id: str, *, page_size: int | None = None, order: Order = "asc", allow_degraded: bool = False
    ) -> Iterator[Message]:
        """Yield all messages of a thread; see `iter_message_pages`.

        Raises:
            HistoryDegraded: A layer did not answer, so that a page may lack messages, and `allow_degraded` is false.
        """
        for page in self.iter_message_pages(thread_id, page_size=page_size, order=order):
            if page.degraded and not allow_degraded:
                raise HistoryDegraded(page.degraded)
            for message in page.items:
                yield message

    def iter_message_pages(
        self, thread_id: str, *, page_size: int | None = None, order: Order = "asc"
    ) -> Iterator[Page[Message]]:
        """Yield all pages of a thread's messages, each with the layers that did not answer for it."""
        cursor: str | None = None
        while True:
            page = self.read_messages(thread_id, limit=page_size, cursor=cursor, order=order)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    def read_layers(self, thread_id: str, *, limit: int | None = None) -> Layers:
        """Return which layer holds what of a thread: the newest of it, and what is not drained yet."""
        return self._send(calls.read_layers(thread_id, limit))

    def rename_thread(self, thread_id: str, title: str) -> Thread:
        """Title a thread for good, and return it."""
        return self._send(calls.rename_thread(thread_id, title))

    def delete_thread(self, thread_id: str) -> None:
        """Delete a thread from every layer, and whatever of it is on its way."""
        self._send(calls.delete_thread(thread_id))

    # --- users ---

    def read_preferences(self, user_id: str) -> dict[str, str]:
        """Return a user's preferences."""
        return self._send(calls.read_preferences(user_id))

    def replace_preferences(self, user_id: str, preferences: Mapping[str, str]) -> dict[str, str]:
        """Make these all the preferences there are, and return them."""
        return self._send(calls.replace_preferences(user_id, preferences))

    def merge_preferences(self, user_id: str, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Set some preferences, remove those that are None, and return all."""
        return self._send(calls.merge_preferences(user_id, changes))

    def delete_preferences(self, user_id: str) -> None:
        """Remove all preferences of a user."""
        self._send(calls.delete_preferences(user_id))

    def delete_user(self, user_id: str) -> None:
        """Delete every thread and preference of a user."""
        self._send(calls.delete_user(user_id))

    # --- the service ---

    def health(self) -> Health:
        """Return every layer's state."""
        return self._send(calls.health())

    def read_status(self) -> Status:
        """Return what waits in the queues and the outbox, and how far PostgreSQL is behind."""
        return self._send(calls.read_status())

    def openapi(self) -> dict[str, Any]:
        """Return the API's own description."""
        return self._send(calls.openapi())
