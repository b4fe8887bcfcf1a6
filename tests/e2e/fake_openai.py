"""An OpenAI-compatible endpoint that records its requests, so that tests can check an agent's instructions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "An answer from the model."


class _Endpoint(ThreadingHTTPServer):
    def __init__(self, answer: str, max_characters: int | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[dict[str, Any]] = []
        self.answer = answer
        self.max_characters = max_characters


class _Handler(BaseHTTPRequestHandler):
    server: _Endpoint

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        length = sum(len(str(message["content"])) for message in request["messages"])
        if self.server.max_characters is not None and length > self.server.max_characters:
            detail = "This model's maximum context length is exceeded. Please reduce the length of the messages."
            self._send(400, {"error": {"message": detail, "type": "x", "code": "context_length_exceeded"}})
            return
        message = {"role": "assistant", "content": self.server.answer}
        body = {
            "id": "chat-1",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        self._send(200, body)

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Log nothing."""


@contextmanager
def fake_openai(answer: str = ANSWER, max_characters: int | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run the endpoint. Yield its base URL and the list of requests.

    With `max_characters`, the endpoint refuses longer requests, as OpenAI does.
    """
    endpoint = _Endpoint(answer, max_characters)
    thread = threading.Thread(target=endpoint.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{endpoint.server_port}/v1", endpoint.requests
    finally:
        endpoint.shutdown()
        thread.join()
        endpoint.server_close()
