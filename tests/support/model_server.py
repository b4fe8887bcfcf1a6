"""A server with the APIs of model providers: chat completions (whole and streamed), embeddings, and Bedrock's."""

from __future__ import annotations

import binascii
import json
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from tests.support.http_server import ServerInThread

TOKENS = ("Hello", ", ", "Ada", ".")


@dataclass(frozen=True)
class ModelRequest:
    """A request that the server has received. The headers' names are in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ModelServer(ServerInThread):
    """A server on a free port of 127.0.0.1.

    Attributes:
        requests: All requests.
        pause_after: A stream waits for `resumed` after this number of tokens.
        break_after: A stream's connection closes after this number of tokens.
        answer: The text of a whole chat completion. A stream has `TOKENS`.
        arguments: With a tool, the model calls it with these arguments instead of an answer.
        max_characters: Longer chat completions are refused, as OpenAI does.
        embeddings: The answer to every request for embeddings. By default, each text has the vector of its length.
        resumed: Set it to continue a stream.
    """

    requests: list[ModelRequest] = field(default_factory=list)
    pause_after: int | None = None
    break_after: int | None = None
    answer: str = "".join(TOKENS)
    arguments: str | None = None
    max_characters: int | None = None
    embeddings: dict[str, Any] | None = None
    resumed: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        server = _Server(("127.0.0.1", 0), _Handler)
        server.model = self
        super().__init__(server)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resumed.set()
        super().__exit__(kind, error, trace)


class _Server(ThreadingHTTPServer):
    model: ModelServer

    def handle_error(self, *args: object) -> None:
        """Ignore a client that closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.model.requests.append(ModelRequest(unquote(self.path), headers, body))
        if self.path.endswith("/converse"):
            self._send("application/json", json.dumps(_converse(self.server.model.arguments)).encode())
        elif self.path.endswith("/converse-stream"):
            self._send("application/vnd.amazon.eventstream", b"".join(_converse_events()))
        elif (vectors := _embeddings(self.path, body)) is not None:
            self._send("application/json", json.dumps(self.server.model.embeddings or vectors).encode())
        elif not self.path.endswith("/chat/completions"):
            self.send_error(404)
        elif body.get("stream"):
            self._stream(body["model"])
        elif (limit := self.server.model.max_characters) is not None and _length(body) > limit:
            self._send("application/json", json.dumps(_TOO_LONG).encode(), 400)
        else:
            completion = _completion(body["model"], self.server.model.answer, self.server.model.arguments)
            self._send("application/json", json.dumps(completion).encode())

    def _send(self, content_type: str, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, model: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        state = self.server.model
        for number, token in enumerate(TOKENS):
            if number == state.break_after:
                return  # without the last chunk, so the client sees a broken connection
            if number == state.pause_after:
                state.resumed.wait(30)
            self._event(json.dumps(_chunk(model, {"content": token}, None)))
        self._event(json.dumps(_chunk(model, {}, "stop")))
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str) -> None:
        event = f"data: {data}\n\n".encode()
        self.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        """Log nothing."""


def vector_of(text: str) -> list[float]:
    """Return the vector that the server gives to a text, of length 5 times the text's."""
    return [3.0 * len(text), 4.0 * len(text)]


def _embeddings(path: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the answer of OpenAI, Cohere or Titan; None if the path or the body is of none of them."""
    if path.endswith("/embeddings"):
        # A server may answer in any order.
        data = [
            {"object": "embedding", "index": number, "embedding": vector_of(text)}
            for number, text in reversed([*enumerate(body["input"])])
        ]
        return {
            "object": "list",
            "data": data,
            "model": body["model"],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        }
    if not path.endswith("/invoke"):
        return None
    if "inputText" in body:
        return {"embedding": vector_of(body["inputText"]), "inputTextTokenCount": 1}
    return {"embeddings": {"float": [vector_of(text) for text in body["texts"]]}, "response_type": "embeddings_by_type"}


_TOO_LONG = {
    "error": {
        "message": "This model's maximum context length is exceeded. Please reduce the length of the messages.",
        "type": "x",
        "code": "context_length_exceeded",
    }
}


def _length(body: dict[str, Any]) -> int:
    return sum(len(str(message["content"])) for message in body["messages"])


def _completion(model: str, answer: str, arguments: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if arguments is not None:
        call = {"id": "c", "type": "function", "function": {"name": "tool", "arguments": arguments}}
        message |= {"content": None, "tool_calls": [call]}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def _chunk(model: str, delta: dict[str, str], finish_reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": model, "choices": [choice]}


_USAGE = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}


def _converse(arguments: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": [{"text": "".join(TOKENS)}]}
    if arguments is not None:
        call = {"toolUseId": "c", "name": "tool", "input": json.loads(arguments)}
        message["content"].append({"toolUse": call})
    return {"output": {"message": message}, "stopReason": "end_turn", "usage": _USAGE, "metrics": {"latencyMs": 1}}


def _converse_events() -> list[bytes]:
    deltas = [("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": token}}) for token in TOKENS]
    events: list[tuple[str, dict[str, Any]]] = [
        ("messageStart", {"role": "assistant"}),
        *deltas,
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": _USAGE, "metrics": {"latencyMs": 1}}),
    ]
    return [_frame(name, json.dumps(body).encode()) for name, body in events]


def _frame(event_type: str, payload: bytes) -> bytes:
    """Return a message of AWS's event stream: lengths, their checksum, headers, the payload, and a checksum."""
    names = {":event-type": event_type, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack("B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for name, value in names.items()
    )
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = lengths + struct.pack(">I", binascii.crc32(lengths)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))
