"""The sync function's entry point. It drains SQS batches and returns the messages that failed."""

from __future__ import annotations

import gc

# A cold start creates objects that live as long as the process. Garbage collections during the cold start would free
# nothing, and would take a quarter of its time.
gc.disable()

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.sync.drain import Drain, DrainResult, in_chunks
from functions.sync.due_work import DueWork
from functions.sync.sweep import Sweep
from shared.logs import function_logger
from shared.reason_metrics import write_by_reason
from shared.settings import (
    DatabaseSettings,
    DeriveSettings,
    MemorySettings,
    RedisSettings,
    SearchSettings,
    SyncSettings,
    load,
)
from shared.sqs_record import request_id_of
from shared.stores.derivations import derivations_in_use
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.session import Limits
from shared.stores.redis.attempts import RedisAttempts
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.sqs.derive_queue import DeriveQueue
from shared.stores.sqs.received import SqsQueues
from shared.tracing.calls import trace_postgres, trace_queue_calls, trace_redis
from shared.tracing.invocations import trace_invocation
from shared.tracing.start import start_tracing

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer  # importing it would import OpenTelemetry

_NAMESPACE: Final = "HybridMemory"
# The time that an invocation needs after its last transaction, to update Redis and to delay up to a thousand messages.
_RESERVE_SECONDS: Final = 3.0
logger = function_logger()
metrics = Metrics(namespace=_NAMESPACE)


def compose(tracer: Tracer | None = None) -> tuple[Drain, Sweep, float]:
    """Read the settings and create the drain and the sweep, without opening a connection.

    Args:
        tracer: Creates spans of the calls to the stores; None if tracing is off.

    Returns:
        The drain, the sweep, and the seconds between the latest start of a transaction and the invocation's end.

    Raises:
        SettingsError: A setting is invalid.
    """
    memory_settings = load(MemorySettings)
    database = load(DatabaseSettings)
    timeout = database.drain_timeout_ms / 1000
    # A timeout does not open the circuit, because a slow PostgreSQL is not down: after a timeout, the drain sends
    # smaller batches. An overloaded server needs time to recover.
    postgres = PostgresConnection(database, Limits(timeout, grace=timeout / 2, timeout_opens_circuit=False))
    derivations = derivations_in_use(load(SearchSettings).vector_model, memory_settings.deriver)
    archive = PostgresArchive(postgres, derives=list(derivations))
    redis = RedisConnection(load(RedisSettings))
    cache = RedisCache(redis, memory_settings)
    settings = load(SyncSettings)
    queues = SqsQueues(settings)
    if tracer is not None:
        trace_redis(tracer, redis.call)
        trace_postgres(tracer, postgres.run)
        trace_queue_calls(tracer, settings.dlq_url, queues.dead_letter, queues.dead_letter_body)
        trace_queue_calls(tracer, settings.queue_url, queues.change_visibility)
    due_work = DueWork(DeriveQueue(load(DeriveSettings)), derivations)
    sweep = Sweep(archive, cache, memory_settings.max_thread_messages, queues.dead_letter_body, due_work)
    drain = Drain(archive, cache, queues, RedisAttempts(redis), due_work=due_work)
    return drain, sweep, timeout + _RESERVE_SECONDS


tracer = start_tracing("hybrid-memory-sync")
drain, sweep, reserved_seconds = compose(tracer)
# Later garbage collections skip the objects of the cold start.
gc.freeze()
gc.enable()


def _available_seconds(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000 - reserved_seconds


def _record_metrics(outcome: DrainResult) -> None:
    metrics.add_metric("Drained", MetricUnit.Count, outcome.stored)
    metrics.add_metric("DuplicatesDropped", MetricUnit.Count, outcome.duplicates)
    metrics.add_metric("ErasedDropped", MetricUnit.Count, outcome.tombstoned)
    metrics.add_metric("Postponed", MetricUnit.Count, len(outcome.failed))
    metrics.add_metric("DeadLettered", MetricUnit.Count, sum(outcome.dead.values()))
    write_by_reason(_NAMESPACE, "DeadLettered", outcome.dead)
    metrics.add_metric("CacheBehind", MetricUnit.Count, int(outcome.is_cache_behind))
    if outcome.newest is not None:
        lag = (datetime.now(UTC) - outcome.newest.acceptance_time).total_seconds()
        metrics.add_metric("SyncLag", MetricUnit.Seconds, max(0.0, lag))


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Drain a batch of SQS messages and return `batchItemFailures`, or run the sweep for a scheduled event."""
    with trace_invocation(tracer, event, context):
        return _handle(event, context)


def _handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if not isinstance(event, dict) or not (isinstance(event.get("Records"), list) or _is_scheduled(event)):
        raise TypeError("an event must have a list Records, come from the schedule, or be empty")
    if "Records" not in event:
        return _sweep(_available_seconds(context))
    try:
        outcome = drain.run(event["Records"], _available_seconds(context))
    except Exception:
        for part in in_chunks(
            [request_id for record in event["Records"] if (request_id := request_id_of(record)) is not None]
        ):
            logger.error("batch failed", extra={"correlation_ids": part})  # noqa: TRY400 - Lambda writes the traceback
        raise
    _record_metrics(outcome)
    first, *more = in_chunks(outcome.finished) if outcome.finished else [[]]
    logger.info(
        "batch drained",
        extra={
            "stored": outcome.stored,
            "duplicates": outcome.duplicates,
            "erased": outcome.tombstoned,
            "postponed": len(outcome.failed),
            "dead": outcome.dead,
            "correlation_ids": first,
        },
    )
    for part in more:
        logger.info("batch drained, more of its requests", extra={"correlation_ids": part})
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in outcome.failed]}


def _is_scheduled(event: dict[str, Any]) -> bool:
    # An operator can start a sweep with an empty event.
    return "Records" not in event and (not event or event.get("source") == "aws.events")


def _sweep(seconds: float) -> dict[str, Any]:
    result = sweep.run(seconds)
    metrics.add_metric("Sweeps", MetricUnit.Count, 1)
    metrics.add_metric("OutboxDrained", MetricUnit.Count, result.stored)
    metrics.add_metric("CacheRepaired", MetricUnit.Count, result.repaired)
    metrics.add_metric("RowsErased", MetricUnit.Count, result.erased)
    metrics.add_metric("ExchangesIndexed", MetricUnit.Count, result.indexed)
    answer = asdict(result)
    logger.info("swept", extra=answer)
    return answer
