"""Traces of the embedded stack lead from API Gateway through the queue to the drain."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.other_stack import running
from tests.support.collector import Collector

pytestmark = pytest.mark.embedded("which start a stack with other settings")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_trace_leads_from_the_gateway_to_the_drain(tmp_path: Path, thread_id: str) -> None:
    """The message continues the caller's trace. The drain stores the message in a batch that links to this trace."""
    with (
        Collector() as collector,
        running(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SERVICE_NAME": "demo"}) as stack,
    ):
        result = {"thread_id": thread_id, "user_message": "q", "assistant_message": "a"}
        headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        response = stack.api.send("POST", "/invoked", json=result, headers=headers)
        assert response.status_code == 202
        (request,) = collector.wait_for("POST /invoked")
        (sent,) = (span for span in collector.spans if span.name.startswith("send "))
        (stored,) = collector.wait_for("postgresql store")
        (batch,) = (span for span in collector.spans if (TRACE, sent.span_id) in span.links)
        assert (request.trace_id, sent.trace_id) == (TRACE, TRACE)
        assert stored.parent_id == batch.span_id
        assert request.resource["service.name"] == "demo"
        assert thread_id.encode() not in collector.raw
