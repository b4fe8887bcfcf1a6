"""Exports spans before the response is returned, with a limit on the delay."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from opentelemetry.context import Context

_logger = logging.getLogger(__name__)
# The maximum number of waiting spans, of some kilobytes each. The oldest are dropped first.
_MAX_SPANS: Final = 2_048
_EXPORTERS_LOG: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


class BoundedExport(SpanProcessor):
    """Keeps ended spans until `flush`, which exports them in a thread and waits for a limited time.

    While the collector is down, `flush` does not wait. The thread runs concurrently with the next requests and detects
    the collector's recovery. OpenTelemetry's own batch processor is unsuitable: Lambda freezes its worker between
    requests, SnapStart does not restore the worker, and `force_flush` may wait without a limit.

    Args:
        exporter: Sends spans; may hang or raise.
        seconds: The longest time that `flush` waits.
    """

    def __init__(self, exporter: SpanExporter, seconds: float) -> None:
        self._exporter = exporter
        self._seconds = seconds
        self._ended: deque[ReadableSpan] = deque(maxlen=_MAX_SPANS)
        self._thread: threading.Thread | None = None
        self._is_down = False
        # The log gets one line for a collector's outage, not one line per request.
        logging.getLogger(_EXPORTERS_LOG).addFilter(lambda _: not self._is_down)

    def on_start(self, span: ReadableSpan, parent_context: Context | None = None) -> None:
        """Do nothing, because only ended spans are exported."""

    def on_end(self, span: ReadableSpan) -> None:
        """Keep a span for the next flush."""
        self._ended.append(span)

    def flush(self) -> None:
        """Export ended spans. Wait for a limited time, and only while the collector responds."""
        if not self._ended or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self._export, name="export of spans", daemon=True)
        self._thread.start()
        if self._is_down:
            return
        self._thread.join(self._seconds)
        if self._thread.is_alive():
            self._is_down = True
            _logger.warning("spans are late", extra={"seconds": self._seconds})

    def _export(self) -> None:
        spans = [self._ended.popleft() for _ in range(len(self._ended))]
        try:
            is_exported = self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception as error:  # noqa: BLE001 - an exporter's error must not affect the request
            is_exported = False
            if not self._is_down:
                _logger.warning("spans were not exported", extra={"error": type(error).__name__})
        if is_exported and self._is_down:
            _logger.info("spans are exported again")
        self._is_down = not is_exported
