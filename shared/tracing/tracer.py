"""Creates spans. Importing this module imports OpenTelemetry, so only `start_tracing` imports it."""

from __future__ import annotations

import functools
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, Span, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.traceparent import TRACEPARENT, traceparent
from shared.tracing.span_export import BoundedExport

Attributes = Mapping[str, str | int]
_P = ParamSpec("_P")
_R = TypeVar("_R")
_SCOPE: Final = "hybrid_memory"
_SYSTEM: Final = random.SystemRandom()
_PROPAGATOR: Final = TraceContextTextMapPropagator()
# The number of calling frames to search for a store's method. Helper functions in between are skipped.
_MAX_FRAMES: Final = 6


class Tracer:
    """Creates spans, and exports them in `flush`.

    A span never contains an exception's text, which may quote a message. The attribute `error.type` contains the
    exception's class.

    Args:
        service: The service's name, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` sets one.
        export_seconds: The longest time that a response waits for the export.
    """

    def __init__(self, service: str, export_seconds: float) -> None:
        self._export = BoundedExport(OTLPSpanExporter(), export_seconds)
        # The SDK's exit handler is off, because it would wait for an unavailable collector.
        provider = TracerProvider(resource=_resource(service), id_generator=_SystemIds(), shutdown_on_exit=False)
        provider.add_span_processor(self._export)
        self._tracer = provider.get_tracer(_SCOPE)

    def flush(self) -> None:
        """Export ended spans."""
        self._export.flush()

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], attributes: Attributes) -> Iterator[Span]:
        """Create a span of a request. The span belongs to the trace that `headers` name.

        Args:
            name: The span's name.
            headers: `traceparent` and `tracestate`, if the request has them.
            attributes: Attributes for the sampler.
        """
        context = _PROPAGATOR.extract(headers, context=Context())
        with self._span(name, SpanKind.SERVER, attributes, context=context) as span:
            yield span

    @contextmanager
    def batch(self, queue: str, traceparents: Iterable[str], attributes: Attributes) -> Iterator[Span]:
        """Create a span of a batch, with a link to each message's span."""
        # `dict.fromkeys` removes repeated spans and does not change the order.
        links = [link for each in dict.fromkeys(traceparents) if (link := _link(each)) is not None]
        name = f"process {queue}".rstrip()
        with self._span(name, SpanKind.CONSUMER, attributes, context=Context(), links=links) as span:
            yield span

    @contextmanager
    def call(self, name: str, attributes: Attributes, kind: SpanKind = SpanKind.CLIENT) -> Iterator[Span]:
        """Create a span of a call to another service, as a child of the current span."""
        with self._span(name, kind, attributes) as span:
            yield span

    def trace_method(
        self, method: Callable[_P, _R], name: str, attributes: Attributes, *, is_message: bool = False
    ) -> None:
        """Replace an object's method with one that creates a span for each call.

        Args:
            method: The bound method.
            name: The spans' name; `{operation}` stands for the calling method of the store.
            attributes: The spans' attributes.
            is_message: Whether the call sends a message to another function.
        """
        kind = SpanKind.PRODUCER if is_message else SpanKind.CLIENT

        @functools.wraps(method)
        def traced(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self.call(name.format(operation=_operation(method)), attributes, kind):
                return method(*args, **kwargs)

        setattr(method.__self__, method.__name__, traced)  # type: ignore[attr-defined] # a bound method has both

    def fail(self, span: Span, error_type: str) -> None:
        """Mark a span as failed, with the type of the error."""
        span.set_attribute("error.type", error_type)
        span.set_status(Status(StatusCode.ERROR))

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        *,
        context: Context | None = None,
        links: list[Link] | None = None,
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,
            links=links,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            token = traceparent.set(_current_traceparent())
            try:
                yield span
            except BaseException as error:
                self.fail(span, type(error).__name__)
                raise
            finally:
                traceparent.reset(token)


class _SystemIds(RandomIdGenerator):
    """Generates ids from the system's random source.

    SnapStart restores Python's own generator with the same state in every process.
    """

    def generate_span_id(self) -> int:
        return _SYSTEM.randrange(1, 1 << 64)

    def generate_trace_id(self) -> int:
        return _SYSTEM.randrange(1, 1 << 128)


def _resource(service: str) -> Resource:
    """Return the spans' resource, which names this function. The environment may set another name."""
    attributes = {
        SERVICE_NAME: service,
        "service.namespace": "hybrid-memory",
        "deployment.environment.name": os.environ.get("STAGE", ""),
        "faas.name": os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""),
        "faas.version": os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        "cloud.region": os.environ.get("AWS_REGION", ""),
    }
    return Resource.create({name: value for name, value in attributes.items() if value}).merge(
        OTELResourceDetector().detect()
    )


def _current_traceparent() -> str | None:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get(TRACEPARENT)


def _link(value: str) -> Link | None:
    context = get_current_span(_PROPAGATOR.extract({TRACEPARENT: value}, context=Context())).get_span_context()
    return None if context == INVALID_SPAN_CONTEXT else Link(context)


def _operation(method: Callable[..., object]) -> str:
    """Return the name of the store's public method that called `method`, a method of the store's connection."""
    frame = sys._getframe(2)  # noqa: SLF001 - like `logging` and `warnings` find their callers
    for _ in range(_MAX_FRAMES):
        name = frame.f_code.co_name
        if not name.startswith(("_", "<")):
            return name
        if frame.f_back is None:
            break
        frame = frame.f_back
    return method.__name__
