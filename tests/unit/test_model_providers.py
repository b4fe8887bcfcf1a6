"""`AGENT__MODEL` accepts valid values, and each provider answers over a real connection."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions.agent.agents.model_name import parse_model, validate_model
from functions.agent.agents.runner import AgentRunError, AgentRunner, AgentTimeoutError
from shared.errors import SettingsError
from shared.settings import AgentSettings
from tests.support.searches import no_search

API_KEY = "sk-very-secret-0123456789"
INSTRUCTIONS = "Be brief.\n\nPrevious conversation:\nuser: Hello\nassistant: Hi!"


def _runner(model: str, timeout_seconds: float = 25) -> AgentRunner:
    return AgentRunner(AgentSettings(model=model, timeout_seconds=timeout_seconds), no_search)


async def _run(runner: AgentRunner, tools: Sequence[str] = ()) -> str:
    return await runner.run(
        agent_name="assistant",
        tools=tools,
        instructions=INSTRUCTIONS,
        prompt="How are you?",
        thread_id=None,
        user_id=None,
    )


# --- the setting ---


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("offline", "offline", ""),
        ("openai:gpt-5", "openai", "gpt-5"),
        ("ollama:llama3.2:1b", "ollama", "llama3.2:1b"),
        (
            "bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0",
            "bedrock",
            "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
    ],
)
def test_a_models_name_may_contain_colons(model: str, provider: str, name: str) -> None:
    """The provider's name ends at the first colon. A model's name may contain more colons."""
    parsed = parse_model(model)
    assert (parsed.provider, parsed.name, str(parsed)) == (provider, name, model)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "gpt-5",
        "offline:x",
        "openai:",
        ":gpt-5",
        "openai: gpt-5",
        "azure:gpt-5",
        "OpenAI:gpt-5",
        "bedrock:a\nb",
        API_KEY,
    ],
)
def test_an_invalid_model_is_refused(model: str) -> None:
    """The start refuses an invalid model. The message names the variable and the choices, but not the value."""
    with pytest.raises(SettingsError, match=r"^AGENT__MODEL .*offline.*bedrock:<model>") as caught:
        validate_model(model)
    assert API_KEY not in str(caught.value)


# --- OpenAI's chat completions, with a server in the test ---


@dataclass
class ChatServer:
    """A chat completions endpoint.

    Attributes:
        messages: The assistant messages of the next responses. The last message is repeated.
        status: The status of every response; an error's body repeats the key.
        hangs: Whether a request waits for `released`.
    """

    url: str
    messages: list[dict[str, Any]] = field(default_factory=lambda: [{"role": "assistant", "content": "Fine."}])
    status: int = 200
    hangs: bool = False
    released: threading.Event = field(default_factory=threading.Event)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    connections: int = 0

    def respond(self, path: str, key: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return status and body."""
        self.requests.append(body)
        self.keys.append(key)
        if self.hangs:
            self.released.wait(10)
        if path != "/v1/chat/completions":
            return 404, {}
        if self.status != 200:
            error = {"message": f"Incorrect API key provided: {API_KEY}", "code": "bad_key", "type": "invalid_request"}
            return self.status, {"error": error}
        message = self.messages.pop(0) if len(self.messages) > 1 else self.messages[0]
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_750_000_000,
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    """Start the server on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            state.connections += 1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = state.respond(self.path, self.headers["Authorization"], body)
            payload = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.send_header("x-should-retry", "false")  # a failing test should not wait for a backoff
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """Ignore a client that closed the connection."""

    with Server(("127.0.0.1", 0), Handler) as server:
        state = ChatServer(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield state
        state.released.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def openai(chat: ChatServer, monkeypatch: pytest.MonkeyPatch) -> ChatServer:
    """Set the environment in which `openai:` and `ollama:` use the server."""
    monkeypatch.setenv("OPENAI_BASE_URL", chat.url)
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    monkeypatch.setenv("OLLAMA_BASE_URL", chat.url)
    return chat


@pytest.mark.parametrize("model", ["openai:gpt-5", "ollama:llama3.2"])
def test_the_request_has_the_memory_in_the_instructions(model: str, openai: ChatServer) -> None:
    """The request has the memory inside the instructions, and has no message history."""
    assert asyncio.run(_run_and_close(_runner(model))) == ["Fine."]
    (request,) = openai.requests
    assert request["model"] == model.split(":")[1]
    assert [message["role"] for message in request["messages"]] in (["system", "user"], ["developer", "user"])
    assert [message["content"] for message in request["messages"]] == [INSTRUCTIONS, "How are you?"]
    assert "tools" not in request


async def _run_and_close(runner: AgentRunner, times: int = 1, tools: Sequence[str] = ()) -> list[str]:
    """Run the agent, and close the connection that a Lambda process would keep open."""
    try:
        return [await _run(runner, tools) for _ in range(times)]
    finally:
        client: Any = runner._load_engine()._model
        await client.client.close()


def test_the_key_is_sent_as_a_bearer_token(openai: ChatServer) -> None:
    """The client sends the environment's key as a bearer token."""
    asyncio.run(_run_and_close(_runner("openai:gpt-5")))
    assert openai.keys == [f"Bearer {API_KEY}"]


def test_warm_runs_share_a_connection(openai: ChatServer) -> None:
    """Runs reuse the model and its connection."""
    assert asyncio.run(_run_and_close(_runner("openai:gpt-5"), times=3)) == ["Fine."] * 3
    assert len(openai.requests) == 3
    assert openai.connections == 1


def test_a_tool_call_reaches_the_function(openai: ChatServer) -> None:
    """The provider gets the tool's schema, and the provider's tool call reaches the function."""
    call = {"id": "1", "type": "function", "function": {"name": "search_conversations", "arguments": '{"query": "x"}'}}
    openai.messages = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "assistant", "content": "Done."},
    ]
    assert asyncio.run(_run_and_close(_runner("openai:gpt-5"), tools=["search_conversations"])) == ["Done."]
    schema = openai.requests[0]["tools"][0]["function"]
    assert schema["name"] == "search_conversations"
    assert sorted(schema["parameters"]["properties"]) == ["limit", "query"]
    assert "not known who the user is" in openai.requests[1]["messages"][-1]["content"]


def test_endless_tool_calls_are_stopped(openai: ChatServer) -> None:
    """The run stops a model that only calls tools."""
    call = {"id": "1", "type": "function", "function": {"name": "current_time", "arguments": "{}"}}
    openai.messages = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    with pytest.raises(AgentRunError, match=r"gave no answer: UsageLimitExceeded\.$"):
        asyncio.run(_run_and_close(_runner("openai:gpt-5"), tools=["current_time"]))
    assert len(openai.requests) < 10


def test_invalid_characters_of_an_answer_are_replaced(openai: ChatServer) -> None:
    """NUL and lone surrogates in a model's answer become replacement characters."""
    openai.messages = [{"role": "assistant", "content": "a\x00b\ud800c"}]
    assert asyncio.run(_run_and_close(_runner("openai:gpt-5"))) == ["a\ufffdb\ufffdc"]


@pytest.mark.parametrize("content", [" \n", ""])
def test_blank_text_is_not_an_answer(content: str, openai: ChatServer) -> None:
    """Empty or blank text does not count as an answer."""
    openai.messages = [{"role": "assistant", "content": content}]
    with pytest.raises(AgentRunError, match="answer"):
        asyncio.run(_run_and_close(_runner("openai:gpt-5")))


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_a_refusal_is_reported_with_its_status(status: int, openai: ChatServer) -> None:
    """If the provider refuses, the message has the status and the code, but not the provider's text."""
    openai.status = status
    with pytest.raises(AgentRunError, match=rf"^The model openai:gpt-5 .* {status} \(bad_key\)\.$") as caught:
        asyncio.run(_run_and_close(_runner("openai:gpt-5")))
    assert API_KEY not in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_refused_connection_is_an_error_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection is an error of the run."""
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{_free_port()}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    with pytest.raises(AgentRunError, match=r"could not be asked: ModelConnectionError\.$"):
        asyncio.run(_run_and_close(_runner("openai:gpt-5")))


def test_a_hanging_provider_causes_a_timeout(openai: ChatServer) -> None:
    """If the provider hangs, the run ends after the configured timeout."""
    openai.hangs = True
    runner = _runner("openai:gpt-5", timeout_seconds=0.5)
    runner._load_engine()
    started = time.monotonic()
    with pytest.raises(AgentTimeoutError, match=r"gave no answer within 0\.5 s\.$"):
        asyncio.run(_run_and_close(runner))
    assert time.monotonic() - started < 5


def test_the_message_names_the_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message of a run without a key names the variable."""
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(AgentRunError, match=r"openai:gpt-5 is not set up: .*OPENAI_API_KEY"):
        asyncio.run(_run(_runner("openai:gpt-5")))


def test_a_missing_key_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing key stops the start. With a base URL, the key may be empty, because your own server may need no key."""
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(variable, "")
    validate_model("offline")
    validate_model("ollama:llama3.2")
    with pytest.raises(SettingsError, match=r"^OPENAI_API_KEY is not set. AGENT__MODEL=openai"):
        validate_model("openai:gpt-5")
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.setenv(variable, "http://x")
        validate_model("openai:gpt-5")
        monkeypatch.setenv(variable, "")


# --- Bedrock's Converse, with the AWS emulator ---


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the emulator's URL."""
    directory: Path = tmp_path_factory.mktemp("emulator")
    url = f"http://127.0.0.1:{(port := _free_port())}"
    environment = {
        **os.environ,
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        # The emulator's IoT and SFTP servers would listen on every interface, even with `BIND_HOST`.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"], cwd=directory, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        _wait_for(f"{url}/_ministack/health", process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - the test's own http URL
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the emulator did not answer (exit status {process.poll()})")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set an AWS environment for the test."""
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", API_KEY)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # the default session caches credentials
    return monkeypatch


@pytest.mark.parametrize("model", ["amazon.nova-lite-v1:0", "us.anthropic.claude-haiku-4-5-20251001-v1:0"])
@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"])
def test_bedrock_answers_with_both_operations(
    model: str, variable: str, emulator: str, aws: pytest.MonkeyPatch
) -> None:
    """Bedrock works with Converse, and with ConverseStream, which the library uses for Claude.

    Each model runs twice on one client.
    """
    aws.setenv(variable, emulator)
    runner = _runner(f"bedrock:{model}")

    async def run_twice() -> list[str]:
        return [await _run(runner, ["current_time"]), await _run(runner)]

    first, second = asyncio.run(run_twice())
    assert model in first
    assert first == second


def test_missing_credentials_are_an_error_of_the_run(emulator: str, aws: pytest.MonkeyPatch) -> None:
    """boto3's own exception becomes an error of the run."""
    aws.setenv("AWS_ENDPOINT_URL", emulator)
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AgentRunError, match=r"gave no answer: NoCredentialsError\.$"):
        asyncio.run(_run(_runner("bedrock:amazon.nova-lite-v1:0")))


def test_a_missing_region_is_an_error_of_the_run(aws: pytest.MonkeyPatch) -> None:
    """A client that cannot be created is an error of the run."""
    aws.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(AgentRunError, match="NoRegionError"):
        asyncio.run(_run(_runner("bedrock:amazon.nova-lite-v1:0")))


def test_a_refusal_of_bedrock_is_reported_with_its_status(chat: ChatServer, aws: pytest.MonkeyPatch) -> None:
    """If Bedrock refuses, the message has the status, but not the provider's text."""
    aws.setenv("AWS_ENDPOINT_URL", chat.url.removesuffix("/v1"))
    with pytest.raises(AgentRunError, match="HTTP status 404") as caught:
        asyncio.run(_run(_runner("bedrock:amazon.nova-lite-v1:0")))
    assert API_KEY not in str(caught.value)


def test_a_refused_connection_to_bedrock_is_an_error_of_the_run(aws: pytest.MonkeyPatch) -> None:
    """A refused connection to Bedrock is an error of the run."""
    aws.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{_free_port()}")
    with pytest.raises(AgentRunError, match=r"could not be asked: ModelConnectionError\.$"):
        asyncio.run(_run(_runner("bedrock:amazon.nova-lite-v1:0")))


def test_a_hanging_bedrock_causes_a_timeout(chat: ChatServer, aws: pytest.MonkeyPatch) -> None:
    """A thread blocked in boto3 does not delay the answer."""
    aws.setenv("AWS_ENDPOINT_URL", chat.url.removesuffix("/v1"))
    chat.hangs = True
    runner = _runner("bedrock:amazon.nova-lite-v1:0", timeout_seconds=0.5)
    runner._load_engine()
    started = time.monotonic()
    with pytest.raises(AgentTimeoutError, match=r"within 0\.5 s"):
        asyncio.run(_run(runner))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("url", ["nope", "localhost:11434", "http://", "https://h:port/v1", "ftp://h/v1"])
@pytest.mark.parametrize("model", ["openai:gpt-5", "ollama:llama3.2"])
def test_an_invalid_base_url_is_refused(model: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start refuses an invalid base URL of the model's provider. It does not check other providers' variables."""
    variable = f"{model.partition(':')[0].upper()}_BASE_URL"
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv(variable, url)
    with pytest.raises(SettingsError, match=f"^{variable} is invalid: "):
        validate_model(model)
    validate_model("bedrock:m")
    monkeypatch.setenv(variable, "http://localhost:1/v1")
    validate_model(model)
