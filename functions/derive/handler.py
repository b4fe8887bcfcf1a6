"""The derive function's entry point: SQS batches of threads in, partial failures out."""

from __future__ import annotations

import gc

# As in the drain: garbage collections during the cold start would free nothing, and would take a quarter of its time.
gc.disable()

from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.derive.derivations import Derivations, DeriveResult
from functions.derive.derivers import create_deriver
from functions.derive.learning import LearningCounts, LearningDerivation
from functions.derive.vectors import VectorDerivation
from shared.embeddings import create_embedder
from shared.logs import function_logger
from shared.reason_metrics import write_by_reason
from shared.settings import DatabaseSettings, DeriveSettings, MemorySettings, RedisSettings, SearchSettings, load
from shared.stores.derivations import MEMORIES, VECTORS
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from shared.stores.postgres.session import Limits
from shared.stores.redis.cache import RedisCache
from shared.stores.redis.connection import RedisConnection
from shared.stores.sqs.received import SqsQueues
from shared.tracing.calls import trace_postgres, trace_queue_calls, trace_redis
from shared.tracing.invocations import trace_invocation
from shared.tracing.start import start_tracing

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer  # importing it would import OpenTelemetry

_NAMESPACE: Final = "HybridMemory"
# The time that an invocation needs for the last request to the model, its transaction and its requests to SQS.
_RESERVE_SECONDS: Final = 15.0
# CloudWatch accepts this number of values of a metric in a line.
_MAX_LAGS: Final = 100
logger = function_logger()
metrics = Metrics(namespace=_NAMESPACE)


def compose(tracer: Tracer | None = None) -> tuple[Derivations, PostgresArchive, LearningDerivation | None]:
    """Read the settings and create the derivations and L2, without opening a connection or loading a model.

    Args:
        tracer: Creates spans of the calls to the stores; None if tracing is off.

    Returns:
        The derivations, L2, and the derivation that learns; None if nothing is learned.

    Raises:
        SettingsError: A setting is invalid, or a package of a model is missing.
    """
    database, settings = load(DatabaseSettings), load(DeriveSettings)
    timeout = database.drain_timeout_ms / 1000
    # As in the drain: a timeout does not open the circuit, because a slow PostgreSQL is not down.
    postgres = PostgresConnection(database, Limits(timeout, grace=timeout / 2, timeout_opens_circuit=False))
    archive = PostgresArchive(postgres)
    queues = SqsQueues(settings)
    if tracer is not None:
        trace_postgres(tracer, postgres.run)
        trace_queue_calls(tracer, settings.dlq_url, queues.dead_letter)
        trace_queue_calls(tracer, settings.queue_url, queues.change_visibility)
    embedder = create_embedder(load(SearchSettings))
    vectors = None if embedder is None else VectorDerivation(archive, embedder).derive
    learning = _compose_learning(archive, settings, tracer)
    kinds = {VECTORS: vectors, MEMORIES: None if learning is None else learning.derive}
    return Derivations(kinds, queues), archive, learning


def _compose_learning(
    archive: PostgresArchive, settings: DeriveSettings, tracer: Tracer | None
) -> LearningDerivation | None:
    memory_settings = load(MemorySettings)
    created = create_deriver(memory_settings, settings)
    if created is None:
        return None
    redis = RedisConnection(load(RedisSettings))
    if tracer is not None:
        trace_redis(tracer, redis.call)
    deriver, limits = created
    forget_memories = RedisCache(redis, memory_settings).forget_memories
    return LearningDerivation(archive, deriver, memory_settings.max_thread_messages, forget_memories, limits)


tracer = start_tracing("hybrid-memory-derive")
derivations, archive, learning = compose(tracer)
# Later garbage collections skip the objects of the cold start.
gc.freeze()
gc.enable()


def _record_metrics(outcome: DeriveResult) -> None:
    metrics.add_metric("Derived", MetricUnit.Count, outcome.derived)
    metrics.add_metric("DeriveFailed", MetricUnit.Count, outcome.errors)
    metrics.add_metric("DeriveUnfinished", MetricUnit.Count, outcome.unfinished)
    metrics.add_metric("DeriveDropped", MetricUnit.Count, outcome.dropped)
    metrics.add_metric("DeadLettered", MetricUnit.Count, sum(outcome.dead.values()))
    write_by_reason(_NAMESPACE, "DeadLettered", outcome.dead)


def _record_learning(counts: LearningCounts) -> None:
    metrics.add_metric("StatementsLearned", MetricUnit.Count, counts.statements)
    metrics.add_metric("StatementsRefused", MetricUnit.Count, counts.refused.total())
    write_by_reason(_NAMESPACE, "StatementsRefused", counts.refused)
    metrics.add_metric("LearnSkipped", MetricUnit.Count, counts.skipped)
    metrics.add_metric("LearnPostponed", MetricUnit.Count, counts.postponed)
    for lag in counts.lags[:_MAX_LAGS]:
        metrics.add_metric("LearnLag", MetricUnit.Seconds, lag)


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Derive from the threads of a batch of SQS messages and return `batchItemFailures`."""
    with trace_invocation(tracer, event, context):
        return _handle(event, context)


def _handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    if not isinstance(event, dict) or not isinstance(event.get("Records"), list):
        raise TypeError("an event must have a list Records")
    outcome = derivations.run(event["Records"], context.get_remaining_time_in_millis() / 1000 - _RESERVE_SECONDS)
    _record_metrics(outcome)
    counts = LearningCounts() if learning is None else learning.take_counts()
    if learning is not None:
        _record_learning(counts)
    if outcome.dropped:
        logger.info("messages dropped, because what they ask for is off", extra={"dropped": outcome.dropped})
    logger.info(
        "batch derived",
        extra={
            "threads": outcome.derived,
            "unfinished": outcome.unfinished,
            "errors": outcome.errors,
            "statements": counts.statements,
            "refused": dict(counts.refused),
            "skipped": counts.skipped,
            "postponed": counts.postponed,
            "lag_seconds": [round(lag, 2) for lag in counts.lags[:_MAX_LAGS]],
            "dead": outcome.dead,
        },
    )
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in outcome.failed]}
