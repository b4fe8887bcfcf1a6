"""The recipe of an own agent streams an answer and stores the exchange, even if a connection breaks in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.waiting import eventually
from tests.support.model_server import TOKENS, ModelServer

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "fastapi-streaming"
ANSWER = "".join(TOKENS)


@pytest.fixture
def model() -> Iterator[ModelServer]:
    """Run a server of models."""
    with ModelServer() as running:
        yield running


@contextmanager
def _agent(
    deployment: Deployment, model: ModelServer, log: Path
) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    """Run the example with uvicorn. Yield a client and the process, which must end without an error."""
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "app:app", "--fd", str(listener.fileno())],
            cwd=EXAMPLE,
            env={
                **os.environ,
                "HYBRID_MEMORY_URL": deployment.api_url,
                "OPENAI_BASE_URL": f"{model.url}/v1",
                "OPENAI_API_KEY": "none",
                "MODEL": "some-model",
                "NO_PROXY": "*",
            },
            pass_fds=[listener.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=60) as client:
                yield client, process
            if "Shutting down" not in log.read_text():
                process.send_signal(signal.SIGTERM)
            process.wait(30)
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in log.read_text(), log.read_text()


def _question(thread_id: str, user_id: str, prompt: str = "Hi") -> dict[str, str]:
    return {"prompt": prompt, "thread_id": thread_id, "user_id": user_id}


def _events(text: str) -> list[tuple[str, object]]:
    lines = [event.split("\n") for event in text.strip().split("\n\n")]
    return [(event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in lines]


def test_two_turns_are_streamed_and_remembered(
    deployment: Deployment, api: MemoryApi, model: ModelServer, tmp_path: Path, thread_id: str, user_id: str
) -> None:
    """The reader gets each token and the exchange's id. The second turn's model gets the first turn."""
    with _agent(deployment, model, tmp_path / "log") as (client, _):
        answers = [
            client.post("/chat", json=_question(thread_id, user_id, prompt)) for prompt in ("I am Ada.", "Who am I?")
        ]
    events = _events(answers[0].text)
    assert events[:-1] == [("token", token) for token in TOKENS]
    assert events[-1][0] == "stored"
    stored = dict(events[-1][1])  # type: ignore[call-overload]  # the event's object
    assert stored["durability"] == "queue"
    messages = api.messages(thread_id)["items"]
    assert [message["content"] for message in messages] == ["I am Ada.", ANSWER, "Who am I?", ANSWER]
    assert messages[0]["exchange_id"] == stored["exchange_id"]
    assert f"user: I am Ada.\nassistant: {ANSWER}" in model.requests[1].body["messages"][0]["content"]
    assert answers[0].headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("stops", [False, True], ids=["and the agent goes on", "and the agent stops"])
def test_a_reader_disconnects_after_the_first_token(
    deployment: Deployment,
    api: MemoryApi,
    model: ModelServer,
    tmp_path: Path,
    thread_id: str,
    user_id: str,
    *,
    stops: bool,
) -> None:
    """The model's whole answer is stored once, even if the agent's process gets a SIGTERM before the answer ends."""
    model.pause_after = 1
    with _agent(deployment, model, tmp_path / "log") as (client, process):
        with client.stream("POST", "/chat", json=_question(thread_id, user_id)) as response:
            assert next(response.iter_lines()) == "event: token"
        if stops:
            process.send_signal(signal.SIGTERM)
            eventually(lambda: "Shutting down" in (tmp_path / "log").read_text())
        model.resumed.set()
        if stops:
            process.wait(30)
        else:
            eventually(lambda: api.contents(thread_id) == ["Hi", ANSWER])
    assert api.contents(thread_id) == ["Hi", ANSWER]


def test_the_models_connection_breaks(
    deployment: Deployment, api: MemoryApi, model: ModelServer, tmp_path: Path, thread_id: str, user_id: str
) -> None:
    """The reader gets an error, and the part of the answer that the reader has seen is stored."""
    model.break_after = 2
    with _agent(deployment, model, tmp_path / "log") as (client, _):
        answer = client.post("/chat", json=_question(thread_id, user_id))
    assert [kind for kind, _ in _events(answer.text)] == ["token", "token", "error", "stored"]
    assert api.contents(thread_id) == ["Hi", "".join(TOKENS[:2])]
