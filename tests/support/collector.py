"""An OTLP/HTTP collector on 127.0.0.1 that decodes its input. It can also refuse requests or not respond."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from tests.support.http_server import ServerInThread
from tests.support.waiting import until


@dataclass(frozen=True)
class ReceivedSpan:
    """A received span."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    status: int
    attributes: dict[str, Any]
    resource: dict[str, Any]
    links: list[tuple[str, str]] = field(default_factory=list)
    events: int = 0


class Collector(ServerInThread):
    """Receives spans at `/v1/traces`.

    Attributes:
        spans: The received spans in order.
        headers: The last request's headers.
        status: The status of every response.
    """

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.raw = b""
        self.status = 200
        self._gate = threading.Event()
        self._gate.set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                """Receive one export."""
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.requests += 1
                collector._gate.wait(30)
                collector._receive(self.path, dict(self.headers), body)
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), Handler))

    def _receive(self, path: str, headers: dict[str, str], body: bytes) -> None:
        assert path == "/v1/traces"
        self.headers = {name.lower(): value for name, value in headers.items()}
        if self.status != 200:
            return
        data = gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body
        self.raw += data
        for resource_spans in ExportTraceServiceRequest.FromString(data).resource_spans:
            resource = _attributes(resource_spans.resource.attributes)
            self.spans += [
                ReceivedSpan(
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.status.code,
                    _attributes(span.attributes),
                    resource,
                    [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
                    len(span.events),
                )
                for scope in resource_spans.scope_spans
                for span in scope.spans
            ]

    def named(self, name: str) -> list[ReceivedSpan]:
        """Return the spans with a name."""
        return [span for span in self.spans if span.name == name]

    def wait_for(self, name: str, count: int = 1) -> list[ReceivedSpan]:
        """Wait until a number of spans with a name have arrived."""
        until(lambda: len(self.named(name)) >= count)
        return self.named(name)

    def freeze(self) -> None:
        """Accept requests without responding."""
        self._gate.clear()

    def thaw(self) -> None:
        """Respond again, also to requests that arrived meanwhile."""
        self._gate.set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        super().__exit__(kind, error, trace)


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None
