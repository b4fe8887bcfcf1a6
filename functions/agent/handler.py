"""The agent function's entry point. It reads the settings, creates the objects, and responds to Lambda events."""

from __future__ import annotations

import gc

# A cold start creates objects that live as long as the process. Garbage collections during the cold start would free
# nothing, and would take a quarter of its time.
gc.disable()

import asyncio
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from aws_lambda_powertools.utilities.typing import LambdaContext
from mangum import Mangum

from functions.agent.agents.model_name import validate_model
from functions.agent.agents.runner import AgentRunner
from functions.agent.http.api import create_app
from functions.agent.http.auth import Guard
from functions.agent.http.cors import with_cors
from functions.agent.http.events import SOURCES, is_request
from functions.agent.http.gateway import with_request_checks
from functions.agent.http.problems import field_problem, problem_of
from functions.agent.http.request_log import log_request, request_id_of, with_request_log
from functions.agent.http.traces import trace_action, with_trace
from functions.agent.metrics import AgentMetrics
from functions.agent.operations import Operations
from functions.agent.schemas import InvokedRequest, InvokingRequest, RunRequest, SearchRequest
from shared.errors import SettingsError
from shared.logs import function_logger
from shared.memory.backlog import Backlog
from shared.memory.idempotency import Idempotency
from shared.memory.inspection import Inspection
from shared.memory.learned import LearnedMemories
from shared.memory.memory import Memory
from shared.memory.ownership import Access
from shared.memory.search.search import Search
from shared.request_ids import request_id_scope
from shared.settings import (
    LOCAL_STAGE,
    AgentSettings,
    AuthSettings,
    DatabaseSettings,
    MemorySettings,
    RedisSettings,
    SearchSettings,
    SyncSettings,
    load,
)
from shared.stores.derivations import derivations_in_use
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.idempotency import PostgresKeys
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.redis.idempotency import RedisKeys
from shared.stores.redis.inspector import RedisInspector
from shared.stores.sqs.client import sqs_client
from shared.stores.sqs.inspector import SqsInspector
from shared.stores.sqs.queue import SqsQueue
from shared.tracing.calls import trace_postgres, trace_redis, trace_sends
from shared.tracing.start import start_tracing

if TYPE_CHECKING:
    from shared.embeddings import Embedders
    from shared.tracing.tracer import Tracer  # importing it would import OpenTelemetry

_TEXT_TYPES: Final = ["text/", "application/json", "application/problem+json"]

_Request = RunRequest | InvokingRequest | InvokedRequest | SearchRequest

logger = function_logger()


def make_guard() -> Guard:
    """Return the guard for the settings `AUTH__*`.

    Raises:
        SettingsError: A setting is invalid, or authentication is off at a stage that requires it.
    """
    settings = load(AuthSettings).tokens(_stage())
    if settings is None:
        return Guard()
    from functions.agent.http.auth_tokens import TokenVerifier  # noqa: PLC0415 - imports cryptography, which only this mode needs

    return Guard(TokenVerifier(settings), settings.operator_scope)


def _stage() -> str:
    stage = os.environ.get("STAGE")
    if not stage and (os.environ.get("AWS_LAMBDA_FUNCTION_NAME") or os.environ.get("LAMBDA_TASK_ROOT")):
        # Without this check, a missing variable would turn authentication off.
        raise SettingsError(
            f"STAGE is not set. A Lambda function requires it, because only STAGE={LOCAL_STAGE} may run without tokens."
        )
    return stage or LOCAL_STAGE


def make_embedders(settings: SearchSettings) -> Embedders | None:
    """Return the models of embeddings; None if a search compares words only.

    Raises:
        SettingsError: A package or a variable of the model is missing.
    """
    if settings.provider == "off":
        return None
    from shared.embeddings import Embedders  # noqa: PLC0415 - only a search by meaning needs it

    return Embedders(settings)


def compose(tracer: Tracer | None = None) -> tuple[Operations, AgentMetrics]:
    """Read the settings and create the operations and the metrics, without opening a connection.

    Args:
        tracer: Creates spans of the calls to the stores and the model; None if tracing is off.

    Raises:
        SettingsError: A setting is invalid.
    """
    memory_settings = load(MemorySettings)
    redis, postgres = RedisConnection(load(RedisSettings)), PostgresConnection(load(DatabaseSettings))
    search_settings = load(SearchSettings)
    derivations = derivations_in_use(search_settings.vector_model, memory_settings.deriver)
    archive = PostgresArchive(postgres, derives=list(derivations))
    sync, client = load(SyncSettings), sqs_client()
    queue = SqsQueue(sync, client)
    if tracer is not None:
        trace_redis(tracer, redis.call)
        trace_postgres(tracer, postgres.run)
        trace_sends(tracer, queue.send, sync.queue_url)
    memory = Memory(
        cache=RedisCache(redis, memory_settings),
        archive=archive,
        queue=queue,
        settings=memory_settings,
    )
    keys = Idempotency([RedisKeys(redis), PostgresKeys(postgres)], Backlog(queue, archive))
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    dead_letters = SqsInspector(sync.dlq_url, client, endpoint) if sync.dlq_url else None
    inspection = Inspection(memory, RedisInspector(redis), SqsInspector(sync.queue_url, client, endpoint), dead_letters)
    metrics = AgentMetrics({"redis": redis.breaker, "postgres": postgres.breaker, "queue": queue.breaker})
    agent = load(AgentSettings)
    validate_model(agent.model)
    search = Search(memory, make_embedders(search_settings))
    known = LearnedMemories(memory)
    runner = AgentRunner(agent, search.conversations, tracer, lambda user_id: known.list_for(user_id).items)
    return Operations(memory, runner, keys, inspection, metrics, search), metrics


tracer = start_tracing("hybrid-memory-agent")
guard = make_guard()
operations, metrics = compose(tracer)
# The process has one event loop, because the model's connections belong to a loop. Mangum uses the same loop.
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
_settings = load(AgentSettings)
_app = create_app(operations, guard)
_application = with_cors(with_request_checks(_app), _settings.origins, is_local=_stage() == LOCAL_STAGE)
_logged = with_request_log(_application, _app.routes)
_http = Mangum(
    _logged if tracer is None else with_trace(_logged, _app.routes, tracer),
    lifespan="off",
    api_gateway_base_path=_settings.base_path or "/",
    custom_handlers=SOURCES,
    text_mime_types=_TEXT_TYPES,
)
# Later garbage collections skip the objects of the cold start.
gc.freeze()
gc.enable()


def run_once(request: RunRequest, access: Access) -> dict[str, Any]:
    """Run a turn and return only the answer."""
    return loop.run_until_complete(operations.run(request, access=access)).answer


def store_exchange(request: InvokedRequest, access: Access) -> dict[str, Any]:
    """Store an exchange and return only the answer."""
    return operations.invoked(request, access).answer


_actions: dict[str, tuple[type[_Request], Callable[[Any, Access], dict[str, Any]]]] = {
    "run": (RunRequest, run_once),
    "invoking": (InvokingRequest, operations.invoking),
    "invoked": (InvokedRequest, store_exchange),
    "search": (SearchRequest, operations.searching.search),
}


def invoke_directly(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    """Return the response to `{"action": …, …}`. The response to an invalid request is a problem object."""
    fields = {name: value for name, value in event.items() if name != "action"}
    action = event.get("action")
    if not isinstance(action, str) or action not in _actions:
        return field_problem(422, "action", f"must be one of {', '.join(_actions)}").to_json(request_id)
    request_type, operation = _actions[action]
    try:
        request = request_type.model_validate(fields)
        access = guard.direct_caller.access(request.user_id)
        return operation(request, access)
    except Exception as error:  # noqa: BLE001 - the outermost handler, which converts every exception to a problem
        return problem_of(error, action).to_json(request_id)


def _invoke_directly_and_log(event: dict[str, Any], request_id: str) -> dict[str, Any]:
    started = time.perf_counter()
    answer = invoke_directly(event, request_id)
    # Only a problem has a status.
    log_request("invoke", _valid_action(event), answer.get("status", 200), started)
    return answer


def _invoke_directly_and_trace(event: dict[str, Any], request_id: str, context: LambdaContext) -> dict[str, Any]:
    if tracer is None:
        return _invoke_directly_and_log(event, request_id)
    with trace_action(tracer, _valid_action(event), context) as end_span:
        answer = _invoke_directly_and_log(event, request_id)
        end_span(answer.get("status", 200))
        return answer


def _valid_action(event: dict[str, Any]) -> str | None:
    action = event.get("action")
    return action if isinstance(action, str) and action in _actions else None


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Return the response to an HTTP event (REST API, HTTP API, function URL, load balancer) or a direct invocation."""
    request_id = request_id_of(event, context.aws_request_id)
    with request_id_scope(request_id):
        try:
            if isinstance(event, dict) and "action" not in event and is_request(event):
                return _http(event, cast(Any, context))  # the same object, with another library's type
            return _invoke_directly_and_trace(event if isinstance(event, dict) else {}, request_id, context)
        except Exception as error:
            # Lambda logs the traceback with the invocation's id. This line contains that id and the request's id.
            logger.error("the invocation failed", extra={"error": type(error).__name__})  # noqa: TRY400
            raise
        finally:
            metrics.flush()
            if tracer is not None:
                tracer.flush()
