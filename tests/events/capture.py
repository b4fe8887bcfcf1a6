"""A capture of the sample events from the emulator: `python -m tests.events.capture` writes them to this directory.

The capture starts a stack and replaces the code of both functions by code that stores its event. Every event then
arrives as in production: through the REST API, the event source mapping or the Invoke API. Fixed values replace values
that vary between runs, so the files change only with the emulator's events.
"""

from __future__ import annotations

import io
import json
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import boto3
import httpx
from botocore.config import Config

from infra.local.client import StackProcess
from tests.events.content import BATCH, DIRECT, POISON, RUN

DIRECTORY: Final = Path(__file__).parent
TIMEOUT_SECONDS: Final = 30
ACCOUNT: Final = "123456789012"
SENT_AT: Final = 1_767_225_600_000
RECORDING_HANDLER: Final = """
import json, pathlib
def handler(event, context):
    with pathlib.Path({path!r}).open("a") as file:
        file.write(json.dumps(event) + "\\n")
    if "httpMethod" in event:
        return {{"statusCode": 200, "body": "{{}}"}}
    return {{"batchItemFailures": []}}
"""
STABLE_HEADERS: Final = {"Accept": "*/*", "Content-Type": "application/json", "Host": "api.example.com"}
_T = TypeVar("_T")


def main() -> None:
    """Start the stack, capture the events, write the files, and stop the stack."""
    with tempfile.TemporaryDirectory() as directory:
        recording = Path(directory) / "events.jsonl"
        with StackProcess(Path(directory) / "stack") as stack:
            events = Capture(stack.info, recording).all()
    for name, event in events.items():
        (DIRECTORY / name).write_text(json.dumps(event, indent=2, ensure_ascii=False) + "\n")
        print(f"tests/events/{name}")  # noqa: T201 - lists the written files


class Capture:
    """A capture of the events of one running stack. It replaces the stack's functions."""

    def __init__(self, info: dict[str, Any], recording: Path) -> None:
        self._info = info
        self._recording = recording
        session = boto3.Session("test", "test", region_name=info["region"])
        config = Config(proxies={})
        self._lambda = session.client("lambda", endpoint_url=info["endpoint_url"], config=config)
        self._sqs = session.client("sqs", endpoint_url=info["endpoint_url"], config=config)

    def all(self) -> dict[str, Any]:
        """Return the events by file name."""
        mapping = self._lambda.list_event_source_mappings(FunctionName=self._info["sync_function"])
        mapping_id = mapping["EventSourceMappings"][0]["UUID"]
        for function, module in (("agent_function", "functions/agent"), ("sync_function", "functions/sync")):
            self._replace(self._info[function], module)
        events = {f"agent-{name}.json": self._direct(event) for name, event in DIRECT.items()}
        events["api-run.json"] = self._api()
        for name, bodies in (("sync-batch.json", BATCH), ("sync-poison.json", POISON)):
            events[name] = self._batch(mapping_id, bodies)
        return events

    def _replace(self, function: str, module: str) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for package in ("functions", module):
                archive.writestr(f"{package}/__init__.py", "")
            archive.writestr(f"{module}/handler.py", RECORDING_HANDLER.format(path=str(self._recording)))
        self._lambda.update_function_code(FunctionName=function, ZipFile=buffer.getvalue())

    def _next(self, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def find() -> dict[str, Any] | None:
            lines = self._recording.read_text().splitlines() if self._recording.exists() else []
            return next((event for line in lines if matches(event := json.loads(line))), None)

        return _wait_until(find)

    def _direct(self, event: dict[str, Any]) -> dict[str, Any]:
        self._lambda.invoke(FunctionName=self._info["agent_function"], Payload=json.dumps(event))
        return self._next(lambda recorded: recorded.get("action") == event["action"])

    def _api(self) -> dict[str, Any]:
        with httpx.Client(trust_env=False, headers={"User-Agent": "example"}) as client:
            client.post(f"{self._info['api_url']}/run", json=RUN).raise_for_status()
        return normalize_request(self._next(lambda recorded: recorded.get("httpMethod") == "POST"))

    def _batch(self, mapping_id: str, bodies: list[str]) -> dict[str, Any]:
        # The event source mapping is disabled while the messages arrive, so that they become one batch.
        self._lambda.update_event_source_mapping(UUID=mapping_id, Enabled=False)
        _wait_until(lambda: self._lambda.get_event_source_mapping(UUID=mapping_id)["State"] == "Disabled")
        for body in bodies:
            self._sqs.send_message(QueueUrl=self._info["queue_url"], MessageBody=body)
        self._lambda.update_event_source_mapping(UUID=mapping_id, Enabled=True)
        event = self._next(lambda recorded: [record["body"] for record in recorded.get("Records", [])] == bodies)
        return normalize_batch(event)


def normalize_request(event: dict[str, Any]) -> dict[str, Any]:
    """Return an API Gateway event without values that vary between runs."""
    context = event["requestContext"]
    identifiers = {context["apiId"]: "a1b2c3d4e5", context["resourceId"]: "abc123"}
    event["headers"] = STABLE_HEADERS
    event["multiValueHeaders"] = {name: [value] for name, value in STABLE_HEADERS.items()}
    context["accountId"] = ACCOUNT
    context["requestId"] = context["extendedRequestId"] = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
    context["requestTime"] = "01/Jan/2026:00:00:00 +0000"
    context["requestTimeEpoch"] = SENT_AT
    for name in ("domainName", "domainPrefix"):
        if name in context:
            context[name] = STABLE_HEADERS["Host"] if name == "domainName" else "api"
    context["identity"].update(sourceIp="192.0.2.1", userAgent="example")
    text = json.dumps(event)
    for old, new in identifiers.items():
        text = text.replace(old, new)
    return dict(json.loads(text))


def normalize_batch(event: dict[str, Any]) -> dict[str, Any]:
    """Return an SQS event without values that vary between runs."""
    for number, record in enumerate(event["Records"], 1):
        record["messageId"] = f"00000000-0000-4000-8000-{number:012}"
        record["receiptHandle"] = f"receipt-handle-{number}"
        record["attributes"].update(
            SentTimestamp=str(SENT_AT), ApproximateFirstReceiveTimestamp=str(SENT_AT + 1), SenderId=ACCOUNT
        )
        record["eventSourceARN"] = re.sub(r":\d{12}:[^:]+$", f":{ACCOUNT}:ExchangeQueue", record["eventSourceARN"])
    return event


def _wait_until(find: Callable[[], _T | None]) -> _T:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if result := find():
            return result
        time.sleep(0.05)
    raise TimeoutError(f"The emulator did not deliver the event within {TIMEOUT_SECONDS} s.")


if __name__ == "__main__":
    main()
