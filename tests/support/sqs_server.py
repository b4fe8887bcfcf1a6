"""moto's SQS behind a socket on 127.0.0.1, which can be stopped and frozen like a server."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from localstack_client.session import Session
from moto.core.request import Request
from moto.sqs.responses import SQSResponse
from werkzeug import Response
from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


REGION = "us-east-1"


class _MotoRequest(Request):
    from_wsgi_server = True


class _SilentHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


class SqsServer:
    """One region of SQS. Its contents survive a stop.

    Attributes:
        requests: The requested actions in order.
        refused: The actions that the server refuses, as for a role without the permission.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.refused: set[str] = set()
        self._gate = threading.Event()
        self._gate.set()
        self._server = make_server("127.0.0.1", 0, self._respond, threaded=True, request_handler=_SilentHandler)
        self.port: int = self._server.port
        self._thread: threading.Thread | None = None

    def _respond(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = _MotoRequest(environ)
        self._gate.wait(30)
        action = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.requests.append(action)
        if action in self.refused:
            response = Response('{"__type": "com.amazonaws.sqs#AccessDeniedException", "message": "refused"}', 403)
            return response(environ, start_response)
        status, headers, body = SQSResponse.dispatch(request, request.url, request.headers)
        return Response(body, status, headers)(environ, start_response)

    def client(self) -> SQSClient:
        """Return a client for the test."""
        client: SQSClient = Session(localstack_host=f"127.0.0.1:{self.port}").client("sqs", region_name=REGION)
        return client

    def environment(self) -> dict[str, str]:
        """Return an environment in which the functions' client uses this server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }

    def freeze(self) -> None:
        """Accept requests without responding."""
        self._gate.clear()

    def thaw(self) -> None:
        """Respond again, also to the requests that arrived meanwhile."""
        self._gate.set()

    def start(self) -> None:
        """Listen on the same port as before."""
        if self._thread is None:
            self._server = make_server(
                "127.0.0.1", self.port, self._respond, threaded=True, request_handler=_SilentHandler
            )
            self._serve()

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="sqs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections."""
        if self._thread is not None:
            self.thaw()
            self._server.shutdown()
            self._thread.join(10)
            self._server.server_close()
            self._thread = None

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
