"""The agent function's operations, independent of HTTP: the routes and the direct invocation share them."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
from fastapi.exceptions import RequestValidationError

from functions.agent.agents.runner import AgentRunner
from functions.agent.health import Health
from functions.agent.outcomes import NOTHING_STORED_KEY_HELD
from functions.agent.request_errors import AgentRunError, LimitTooLarge
from functions.agent.results import (
    RunResult,
    TurnMetrics,
    exchange_id_of,
    order_of,
    with_selection,
    without_selection,
)
from functions.agent.schemas import InvokedRequest, InvokingRequest, ReplaceRequest, RunRequest
from functions.agent.searching import Searching
from functions.agent.turn_json import append_result_json, invoking_json, memory_json
from shared.errors import ExchangeNotFound, IdempotencyConflict, StoreUnavailable, add_outcome
from shared.idempotency import keyed_request_scope
from shared.memory.budget import Limits, SelectedMemory, lowest_limit, select
from shared.memory.exchanges import Exchanges
from shared.memory.idempotency import Idempotency, KeyLease
from shared.memory.inspection import Inspection
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.ownership import Access
from shared.memory.providers import ThreadMemoryProvider, UserPreferencesProvider
from shared.memory.recall import Recall
from shared.memory.search.search import Search
from shared.memory.sizes import fits
from shared.memory.threads import Threads
from shared.memory.turn import AppendResult, Turn
from shared.memory.users import Users
from shared.metadata import encode_metadata
from shared.models import ExchangeTexts
from shared.timer import Timer, measured_waits

_logger = logging.getLogger(__name__)


class Operations:
    """The operations behind the API."""

    def __init__(
        self,
        memory: Memory,
        runner: AgentRunner,
        idempotency: Idempotency,
        inspection: Inspection,
        metrics: TurnMetrics | None = None,
        search: Search | None = None,
    ) -> None:
        self._memory = memory
        self._metrics = metrics
        self._runner = runner
        self._idempotency = idempotency
        self.inspection = inspection
        self.threads = Threads(memory)
        self.exchanges = Exchanges(memory)
        self.users = Users(memory)
        self.memories = LearnedMemories(memory)
        self.health = Health({"redis": memory.cache, "postgres": memory.archive, "queue": memory.queue}, memory.archive)
        self.searching = Searching(search or Search(memory), self.memories, adds_related=memory.settings.related)

    def _turn(
        self, request: RunRequest | InvokingRequest | InvokedRequest, access: Access, *, has_memories: bool = False
    ) -> Turn:
        return Turn(self._memory, request.thread_id, request.user_id, access, has_memories=has_memories)

    def _check_id(self, request: RunRequest | InvokedRequest) -> None:
        if request.exchange_id is not None and self._memory.is_ahead(request.exchange_id):
            error = {"type": "future_id", "loc": ("body", "exchange_id"), "msg": "is from the future"}
            raise RequestValidationError([error])

    async def run(self, request: RunRequest, idempotency_key: str | None = None, access: Access = "open") -> RunResult:
        """Run a turn: load the memory, append it to the instructions, run the agent, store the exchange.

        Raises:
            UnknownAgentError: No such agent.
            UnknownToolError: No such tool.
            AgentRunError: The model failed; nothing was stored.
            AgentTimeoutError: The model did not answer in time; nothing was stored.
            IdempotencyConflict: The key's first request is still running, had another body, or its answer was deleted.
            ThreadNotFound: The thread is another user's.
            RequestValidationError: The exchange's id is from the future.
        """
        self._runner.check(request.agent_name, request.tools)
        self._check_id(request)
        with measured_waits() as waits:
            result = await self._run_once(request, idempotency_key, access)
        return replace(result, seconds={**result.seconds, **waits}) if result.seconds else result

    async def _run_once(self, request: RunRequest, idempotency_key: str | None, access: Access) -> RunResult:
        """Run a turn, or return the stored result of an earlier request with the same key."""
        timer = Timer()
        turn = self._turn(request, access, has_memories=self._memory.settings.inject_learned)
        if idempotency_key is None:
            return await self._run(request, turn, request.exchange_id, timer)
        # The memory is loaded before the key is claimed, so that the exchange's id in the claim sorts after all loaded
        # exchanges.
        recall = turn.recall()
        timer.record("recall")
        # Absent fields are not part of the request's fingerprint, so that a release with new fields accepts keys that
        # an earlier release stored.
        absent = {name for name in ("metadata", "replaces", "max_context_tokens") if getattr(request, name) is None}
        # `include` does not change the turn.
        body = orjson.dumps(request.model_dump(exclude=absent | {"include"}), option=orjson.OPT_SORT_KEYS)
        new_id = self._memory.new_id(request.thread_id or "")
        lease = self._idempotency.acquire(request.user_id or "", idempotency_key, body, new_id)
        if lease.replayed is not None:
            return RunResult(await self._replay(lease, lease.replayed, request, turn), is_replayed=True)
        is_taken_over = lease.exchange_id != new_id
        exchange_id = request.exchange_id or lease.exchange_id
        # A replaced exchange always has an answer under its id, which may be the old answer.
        may_have_answer = is_taken_over and request.replaces is None
        try:
            with add_outcome(NOTHING_STORED_KEY_HELD if is_taken_over else ""), keyed_request_scope(lease.keyed):
                stored_answer = self._stored_answer(recall, request.thread_id, exchange_id) if may_have_answer else None
                timer.record("claim")
                result = await self._run(request, turn, exchange_id, timer, stored_answer)
        except Exception:
            # The earlier request may have stored its exchange, so its id stays reserved until the lease ends.
            if not is_taken_over:
                lease.release()
            raise
        lease.complete(without_selection(result.answer))
        timer.record("record")
        return replace(result, seconds={**result.seconds, "record": timer.seconds["record"]})

    async def _replay(self, lease: KeyLease, answer: dict[str, Any], request: RunRequest, turn: Turn) -> dict[str, Any]:
        """Return the first request's response. If no store accepted its exchange then, store the exchange now.

        Raises:
            IdempotencyConflict: The thread or the user was deleted since.
        """
        if not answer or turn.is_deleted(order_of(lease, answer), exchange_id_of(lease, answer)):
            # A client's retry must not restore an exchange that the user deleted, so the turn is not run again.
            lease.complete({})
            raise IdempotencyConflict(422, "The exchange of this Idempotency-Key was deleted.")
        if "memory" not in answer:
            answer = self._with_memory(answer, request, turn)
            lease.complete(answer)
        memory = answer["memory"]
        if memory["durability"] != "none" or answer["exchange_id"] is None:
            return answer
        with keyed_request_scope(lease.keyed):
            appended = await self._append(request, turn, answer["response"], UUID(answer["exchange_id"]))
        if appended.durability == "none":
            return answer
        self._count_outcomes(None, appended)
        degraded = list(dict.fromkeys(turn.recall().degraded + appended.degraded))
        new_memory = {**memory, "degraded": degraded, "durability": appended.durability, "cached": appended.cached}
        answer = {**answer, "memory": new_memory}
        lease.complete(answer)
        return answer

    def _with_memory(self, answer: dict[str, Any], request: RunRequest, turn: Turn) -> dict[str, Any]:
        """Return the response that PostgreSQL restored from its exchange, with a new memory report."""
        appended = AppendResult(UUID(answer["exchange_id"]), "postgres", cached=turn.recall().source == "redis")
        memory = memory_json(
            turn.recall(), appended, SelectedMemory(turn.recall(), self._max_context_tokens(request)).selection
        )
        return {**answer, "memory": memory}

    def _stored_answer(self, recall: Recall, thread_id: str | None, exchange_id: UUID) -> str | None:
        """Return the answer that an earlier request stored before it failed, even if more exchanges followed."""
        if thread_id is None:
            return None
        if (shown := recall.answer_of(exchange_id)) is not None:
            return shown
        stored = self._memory.archive.exchange(thread_id, exchange_id)
        return stored.assistant_message if stored else None

    async def _run(
        self,
        request: RunRequest,
        turn: Turn,
        exchange_id: UUID | None,
        timer: Timer,
        stored_answer: str | None = None,
    ) -> RunResult:
        """Return the turn's result. `stored_answer` is the answer that an earlier, failed request stored."""
        preferences = UserPreferencesProvider(turn)
        if request.replaces is not None:
            turn.rewind(request.replaces)
        related = self.searching.related_to_run(turn, request)
        memory = SelectedMemory(turn.recall(), self._max_context_tokens(request), related)
        timer.record("recall")
        response = stored_answer or await self._runner.run(
            agent_name=request.agent_name,
            tools=request.tools,
            instructions=request.instructions,
            memory=memory,
            prompt=request.prompt,
            thread_id=request.thread_id,
            # The turn's user is the thread's owner, even if an operator sends the request.
            user_id=turn.user_id,
        )
        timer.record("agent")
        if not fits({**request.model_dump(include={"thread_id"}), "response": response}):
            raise AgentRunError("The model's answer is too long for a response.")
        appended = await self._append(request, turn, response, exchange_id)
        await preferences.invoked(request.prompt, response)
        timer.record("keep")
        seconds = {**timer.seconds, **appended.seconds}
        recall = turn.recall()
        self._count_outcomes(recall, appended)
        answer = {
            "response": response,
            "thread_id": request.thread_id,
            "exchange_id": str(appended.exchange_id) if appended.exchange_id else None,
            "memory": memory_json(recall, appended, memory.selection, related),
        }
        if request.include and stored_answer is None:
            answer = with_selection(answer, recall, memory.selection, request.include)
        return RunResult(answer, seconds=seconds)

    async def _append(self, request: RunRequest, turn: Turn, response: str, exchange_id: UUID | None) -> AppendResult:
        """Store the exchange. A replacement gets the position of the replaced exchange."""
        metadata, thread_id, replaced = encode_metadata(request.metadata), request.thread_id, request.replaces
        texts = ExchangeTexts(request.prompt, response, metadata, tuple(request.document_ids))
        try:
            if replaced is not None and thread_id is not None:
                return self.exchanges.replace(thread_id, replaced, texts, turn.owner)
            thread = ThreadMemoryProvider(turn)
            return await thread.invoked(request.prompt, response, request.document_ids, exchange_id, metadata)
        except ExchangeNotFound:
            # The thread was deleted while the agent ran.
            return AppendResult(replaced, "none", cached=False)
        except StoreUnavailable as error:
            # The answer cost time and money, so the caller gets it. A retry with the same key stores the exchange.
            shown_id = replaced or exchange_id or self._memory.new_id(thread_id or "")
            _logger.error("no store accepted an exchange", extra={"exchange_id": str(shown_id)})  # noqa: TRY400
            return AppendResult(shown_id, "none", cached=False, degraded=[error.layer])

    def replace_exchange(
        self, thread_id: str, exchange_id: UUID, request: ReplaceRequest, owner: str | None
    ) -> dict[str, Any]:
        """Replace an exchange's texts.

        Raises:
            ExchangeNotFound: The exchange does not exist, or the thread is another user's.
        """
        texts = ExchangeTexts(request.user_message, request.assistant_message, encode_metadata(request.metadata))
        appended = self.exchanges.replace(thread_id, exchange_id, texts, owner)
        self._count_outcomes(None, appended)
        return append_result_json(appended)

    def invoking(self, request: InvokingRequest, access: Access = "open") -> dict[str, Any]:
        """Return the memory's context for a turn.

        Raises:
            LimitTooLarge: `limit` exceeds the window.
            ThreadNotFound: The thread is another user's.
        """
        window = self._memory.settings.max_thread_messages
        if request.limit is not None and request.limit > window:
            raise LimitTooLarge(f"must be at most {window}, the size of the window")
        has_memories = "memories" in request.include or self._memory.settings.inject_learned
        turn = self._turn(request, access, has_memories=has_memories)
        recall = turn.recall()
        self._count_outcomes(recall, None)
        max_tokens = self._max_context_tokens(request)
        selection = select(recall.messages, recall.preferences, Limits(max_tokens, request.limit, has_bytes=True))
        if has_memories:
            with_memories = selection.add_known(recall.known, max_tokens)
            fitting = fits(invoking_json(recall, with_memories, request.include))
            selection = with_memories if fitting else selection
        if "related" not in request.include:
            return invoking_json(recall, selection, request.include)
        related = self.searching.related_to(turn, request.query)
        answer = invoking_json(recall, selection.add_related(related, max_tokens), request.include, related)
        # The window alone always fits into a response.
        return answer if fits(answer) else invoking_json(recall, selection, request.include, related)

    def _max_context_tokens(self, request: RunRequest | InvokingRequest) -> int:
        """Return the context's token limit: the lower of the setting's and the request's."""
        return lowest_limit(self._memory.settings.max_context_tokens, request.max_context_tokens)

    def invoked(self, request: InvokedRequest, access: Access = "open") -> RunResult:
        """Store an exchange, and return where it is stored.

        Raises:
            ThreadNotFound: The thread is another user's.
            RequestValidationError: The exchange's id or its time is from the future.
        """
        self._check_id(request)
        if request.created_at is not None and self._memory.is_future(request.created_at.timestamp()):
            error = {"type": "future_time", "loc": ("body", "created_at"), "msg": "is in the future"}
            raise RequestValidationError([error])
        with measured_waits() as waits:
            appended = self._turn(request, access).append(
                request.user_message,
                request.assistant_message,
                request.document_ids,
                request.exchange_id,
                encode_metadata(request.metadata),
                request.created_at,
            )
        self._count_outcomes(None, appended)
        return RunResult(append_result_json(appended), seconds={**appended.seconds, **waits})

    def _count_outcomes(self, recall: Recall | None, appended: AppendResult | None) -> None:
        if self._metrics is None:
            return
        if recall is not None:
            self._metrics.count_recall(recall)
        if appended is not None and appended.exchange_id is not None:
            self._metrics.count_append(appended)
