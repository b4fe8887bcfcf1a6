"""The asynchronous client. `_sync_client.py` is generated from this file by `clients/python/unasync.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from hybrid_memory_client import _calls as calls
from hybrid_memory_client._async_memories import AsyncMemoriesClient
from hybrid_memory_client._calls import Order
from hybrid_memory_client.errors import HistoryDegraded, InvalidRequest
from hybrid_memory_client.inspection import Layers, Overview, Status
from hybrid_memory_client.models import Context, Health, Kept, Message, Page, RunResult, Thread
from hybrid_memory_client.search import SearchResult


class AsyncMemoryClient(AsyncMemoriesClient):
    """A client of one deployment. Methods are named after the API's operations and return frozen dataclasses.

    Every call is retried after a lost connection, 429, 502, 503 and 504. A retry never repeats an effect: all attempts
    of `run` have the same `Idempotency-Key`, and all attempts of `invoked` the same `exchange_id`.

    All methods raise `ApiError` (or a subclass) if the API responds with an error, `ConnectionFailed` if there is no
    response, and `NotThisApi` if another server responds at the URL. For invalid values they raise `CannotBeKept`
    before a request is sent.

    Args:
        base_url: The API's URL, including the stage, e.g. `https://….execute-api.eu-central-1.amazonaws.com/prod`.
        auth: A bearer token, any `httpx.Auth`, or a function that returns a token. The function may be asynchronous.
            The client calls the function again after a 401.
        timeout: The timeout of each attempt: seconds, or an `httpx.Timeout`.
        retry: The number of retries and the delays between them.
        headers: Sent with every request.
        http_client: The caller's `httpx.AsyncClient`, with its timeout, proxies and certificates. The caller closes
            this client. It serves one event loop only. Without this argument, proxies in the environment are ignored.
    """

    # --- turns ---

    async def run(
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
        include: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> RunResult:
        """Run a turn with the service's agent: load the memory, answer, store the exchange.

        If another request with the same key is still running, the call waits for its response.

        Args:
            prompt: The user's message.
            agent_name: The name of an agent; the service's default if None.
            instructions: Used instead of the service's default instructions; the service appends the memory's context.
            tools: Names of registered tools for this run.
            thread_id: Without it there is no history.
            user_id: Without it there are no preferences.
            document_ids: Attached to the thread.
            exchange_id: The exchange's id. With it, you can find the exchange even if the response is lost.
            metadata: A JSON object stored with the texts, at most 100,000 bytes.
            replaces: The id of an exchange of the thread. The agent gets the history before that exchange, and the new
                exchange takes over its position and id.
            max_context_tokens: Limits the context from the memory, within the service's own limit.
            include: What `memory.selection` shows of what the agent got: `context`, `messages`, `preferences`,
                `memories`, `related`. Without any, there is no selection.
            idempotency_key: Identifies the turn. Two calls with the same key within a day are one run with one answer.
                Generated if None.
        """
        return await self._send(
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
                include,
                str(self.new_id()) if idempotency_key is None else idempotency_key,
            )
        )

    async def invoking(
        self,
        *,
        thread_id: str | None = None,
        user_id: str | None = None,
        query: str | None = None,
        max_context_tokens: int | None = None,
        limit: int | None = None,
        include: Sequence[str] | None = None,
    ) -> Context:
        """Return the memory's context for a turn. Call it before your own agent runs.

        Args:
            thread_id: Without it there is no history.
            user_id: Without it there are no preferences.
            query: The user's message; not used yet.
            max_context_tokens: Limits the context, within the service's own limit.
            limit: Maximum number of exchanges, from 1 to the service's window.
            include: A selection of `context`, `messages`, `preferences`, `memories` and `related`. The default is the
                first three.
        """
        context = await self._send(calls.invoking(thread_id, user_id, query, max_context_tokens, limit, include))
        self._ids.observe(message.exchange_id for message in context.messages)
        return context

    async def invoked(
        self,
        user_message: str,
        assistant_message: str,
        *,
        thread_id: str | None = None,
        user_id: str | None = None,
        document_ids: Sequence[str] = (),
        exchange_id: UUID | str | None = None,
        metadata: Mapping[str, Any] | None = None,
        created_at: datetime | None = None,
    ) -> Kept:
        """Store an exchange. Call it after your own agent has run, or with `created_at` to import an exchange.

        Args:
            user_message: The user's message.
            assistant_message: The agent's answer.
            thread_id: Without it nothing is stored.
            user_id: The user.
            document_ids: Attached to the thread.
            exchange_id: The exchange's id. Two calls with the same id store one exchange. Generated if None.
            metadata: A JSON object stored with the texts, at most 100,000 bytes, e.g. tool calls.
            created_at: The time of an imported exchange, in the past and with a time zone. The default is now. Imports
                with equal times keep the order of the calls.
        """
        turn = user_message, assistant_message, thread_id, user_id, document_ids
        try:
            id_ = exchange_id
            if id_ is None:
                id_ = self.new_id() if created_at is None else self.new_import_id(created_at)
            return await self._send(calls.invoked(*turn, id_, metadata, created_at))
        except InvalidRequest as error:
            if exchange_id is not None or created_at is not None or not calls.is_future_id(error):
                raise
            # The `Date` of the failed response has corrected the clock, so a new id is no longer in the future.
            return await self._send(calls.invoked(*turn, self.new_id(), metadata, None))

    async def replace_exchange(
        self,
        thread_id: str,
        exchange_id: UUID | str,
        user_message: str,
        assistant_message: str,
        *,
        metadata: Mapping[str, Any] | None = None,
    ) -> Kept:
        """Replace an exchange's texts and metadata."""
        texts = user_message, assistant_message
        return await self._send(calls.replace_exchange(thread_id, exchange_id, *texts, metadata))

    async def delete_exchange(self, thread_id: str, exchange_id: UUID | str) -> None:
        """Remove an exchange from its thread."""
        await self._send(calls.delete_exchange(thread_id, exchange_id))

    # --- threads ---

    async def list_threads(
        self, user_id: str | None = None, *, limit: int | None = None, cursor: str | None = None
    ) -> Page[Thread]:
        """Return a page of a user's threads, newest first. Without a user id, the user is the token's user."""
        return await self._send(calls.list_threads(user_id, limit, cursor))

    async def iter_threads(self, user_id: str | None = None, *, page_size: int | None = None) -> AsyncIterator[Thread]:
        """Yield all of a user's threads, newest first, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list_threads(user_id, limit=page_size, cursor=cursor)
            for thread in page.items:
                yield thread
            cursor = page.next_cursor
            if cursor is None:
                return

    async def read_thread(self, thread_id: str) -> Thread:
        """Return a thread with its `document_ids`."""
        return await self._send(calls.read_thread(thread_id))

    async def read_messages(
        self, thread_id: str, *, limit: int | None = None, cursor: str | None = None, order: Order = "asc"
    ) -> Page[Message]:
        """Return a page of a thread's messages: those in PostgreSQL, and those in Redis that are not drained yet."""
        page = await self._send(calls.read_messages(thread_id, limit, cursor, order))
        self._ids.observe(message.exchange_id for message in page.items)
        return page

    async def iter_messages(
        self, thread_id: str, *, page_size: int | None = None, order: Order = "asc", allow_degraded: bool = False
    ) -> AsyncIterator[Message]:
        """Yield all messages of a thread; see `iter_message_pages`.

        Raises:
            HistoryDegraded: A layer did not respond, so a page may lack messages, and `allow_degraded` is false.
        """
        async for page in self.iter_message_pages(thread_id, page_size=page_size, order=order):
            if page.degraded and not allow_degraded:
                raise HistoryDegraded(page.degraded)
            for message in page.items:
                yield message

    async def iter_message_pages(
        self, thread_id: str, *, page_size: int | None = None, order: Order = "asc"
    ) -> AsyncIterator[Page[Message]]:
        """Yield all pages of a thread's messages, each with the layers that did not respond."""
        cursor: str | None = None
        while True:
            page = await self.read_messages(thread_id, limit=page_size, cursor=cursor, order=order)
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return

    async def read_layers(self, thread_id: str, *, limit: int | None = None) -> Layers:
        """Return the newest messages of a thread in each layer, and the number of undrained exchanges."""
        return await self._send(calls.read_layers(thread_id, limit))

    async def rename_thread(self, thread_id: str, title: str) -> Thread:
        """Set a thread's title permanently, and return the thread."""
        return await self._send(calls.rename_thread(thread_id, title))

    async def delete_thread(self, thread_id: str) -> None:
        """Delete a thread from every layer, including its queued exchanges."""
        await self._send(calls.delete_thread(thread_id))

    # --- search ---

    async def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        limit: int | None = None,
        thread_id: str | None = None,
        exclude_thread_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Sequence[str] | None = None,
    ) -> SearchResult:
        """Search everything that a user said or was told, from the moment it is accepted.

        Args:
            query: The words to find. Every word counts, and rare words count more.
            user_id: Optional with the user's own token.
            limit: Maximum number of items, from 1 to 100. The service's default is 10.
            thread_id: Only exchanges of this thread.
            exclude_thread_id: No exchanges of this thread, e.g. of the current conversation.
            since: Only exchanges from this time on. It must have a time zone.
            until: Only exchanges before this time. It must have a time zone.
            kinds: `exchange`, `memory` or both; the default is `["exchange"]`.
        """
        within = thread_id, exclude_thread_id, since, until
        return await self._send(calls.search(query, user_id, limit, *within, kinds))

    # --- users ---

    async def read_preferences(self, user_id: str) -> dict[str, str]:
        """Return a user's preferences."""
        return await self._send(calls.read_preferences(user_id))

    async def replace_preferences(self, user_id: str, preferences: Mapping[str, str]) -> dict[str, str]:
        """Replace all preferences, and return them."""
        return await self._send(calls.replace_preferences(user_id, preferences))

    async def merge_preferences(self, user_id: str, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Set some preferences, remove those whose value is None, and return all."""
        return await self._send(calls.merge_preferences(user_id, changes))

    async def delete_preferences(self, user_id: str) -> None:
        """Remove all preferences of a user."""
        await self._send(calls.delete_preferences(user_id))

    async def delete_user(self, user_id: str) -> None:
        """Delete every thread, preference and memory of a user."""
        await self._send(calls.delete_user(user_id))

    # --- the service ---

    async def health(self) -> Health:
        """Return the state of every layer."""
        return await self._send(calls.health())

    async def read_status(self) -> Status:
        """Return the depths of the queues and the outbox, and the sync lag."""
        return await self._send(calls.read_status())

    async def read_overview(
        self,
        user_id: str | None = None,
        thread_id: str | None = None,
        *,
        include: Sequence[str] | None = None,
        messages: int | None = None,
        threads: int | None = None,
    ) -> Overview:
        """Return the stores, a thread in both layers, the backlog, and the user's data in one response.

        Args:
            user_id: The user; that of the token by default.
            thread_id: The thread to show; none by default.
            include: The parts to read; all by default.
            messages: The maximum number of the thread's messages from each layer.
            threads: The maximum number of threads.
        """
        return await self._send(calls.read_overview(user_id, thread_id, include, messages, threads))

    async def openapi(self) -> dict[str, Any]:
        """Return the API's OpenAPI description."""
        return await self._send(calls.openapi())
