"""Each provider's settings of the recipe reach its documented URL, with its key, and with the memory in the request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from functions.agent.agents.model_name import validate_model
from functions.agent.agents.runner import AgentRunner
from shared.settings import AgentSettings
from tests.support.model_server import TOKENS, ModelServer
from tests.support.searches import no_search

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes" / "models.md").read_text()
INSTRUCTIONS = "Be brief.\n\nPrevious conversation:\nuser: Hello\nassistant: Hi!"
# The documented base URL and the expected Authorization header of each section.
COMPATIBLE = {
    "OpenAI": ("https://api.openai.com/v1/", "Bearer your-key"),
    "Ollama": ("http://localhost:11434/v1/", "Bearer api-key-not-set"),
    "vLLM": ("http://localhost:8000/v1/", "Bearer the-value-of-api-key"),
    "LM Studio": ("http://localhost:1234/v1/", "Bearer api-key-not-set"),
    "Anthropic": ("https://api.anthropic.com/v1/", "Bearer your-claude-api-key"),
    "Gemini": ("https://generativelanguage.googleapis.com/v1beta/openai/", "Bearer your-gemini-api-key"),
}


def _settings(section: str) -> dict[str, str]:
    """Return the settings of a section of the page."""
    (block,) = re.findall(rf"^## {section}\n\n```ini\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return dict(line.split("=", 1) for line in block.splitlines())


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the user's own settings of providers."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_BASE_URL", "OLLAMA_API_KEY", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """Run a server of models."""
    with ModelServer() as running:
        yield running


def _runner(model: str) -> AgentRunner:
    validate_model(model)
    return AgentRunner(AgentSettings(model=model), no_search)


def _run(runner: AgentRunner, tools: tuple[str, ...] = (), *, closes: bool = True) -> str:
    async def run() -> str:
        try:
            return await runner.run(
                agent_name="assistant",
                tools=tools,
                instructions=INSTRUCTIONS,
                prompt="Hi",
                thread_id=None,
                user_id=None,
            )
        finally:
            if closes:
                await _client(runner).close()

    return asyncio.run(run())


def _client(runner: AgentRunner) -> Any:
    model: Any = runner._load_engine()._model
    return model.client


def _apply(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return settings["AGENT__MODEL"]


def test_every_section_is_tested() -> None:
    """The page has settings for exactly the tested providers."""
    sections = re.findall(r"^## (.+)\n\n```ini$", PAGE, re.MULTILINE)
    assert sections == [*COMPATIBLE, "Bedrock"]


@pytest.mark.parametrize("section", COMPATIBLE)
@pytest.mark.parametrize("tools", [(), ("current_time",)], ids=["without tools", "with a tool"])
def test_a_compatible_server_gets_the_request(
    section: str, tools: tuple[str, ...], server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request goes to the documented path, with the key, the memory and the prompt, and no other field."""
    base_url, authorization = COMPATIBLE[section]
    model = _apply(_settings(section), monkeypatch)
    assert str(_client(_runner(model)).base_url) == base_url
    path = urlsplit(base_url).path
    variable = "OLLAMA_BASE_URL" if model.startswith("ollama:") else "OPENAI_BASE_URL"
    monkeypatch.setenv(variable, server.url + path)

    assert _run(_runner(model), tools) == "".join(TOKENS)
    (request,) = server.requests
    assert request.path == f"{path}chat/completions"
    assert request.headers["authorization"] == authorization
    assert request.headers["content-type"] == "application/json"
    assert request.body["model"] == model.partition(":")[2]
    assert request.body["messages"] == [
        {"role": "system", "content": INSTRUCTIONS},
        {"role": "user", "content": "Hi"},
    ]
    # A strict server, such as Gemini's, refuses unknown fields.
    assert request.body.keys() - {"tools", "tool_choice"} == {"model", "messages", "stream"}
    functions = [tool["function"] for tool in request.body.get("tools", [])]
    assert [function["name"] for function in functions] == list(tools)
    assert all(function.keys() == {"name", "description", "parameters"} for function in functions)


def test_ollama_has_a_default_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `OLLAMA_BASE_URL`, the URL is the documented one."""
    settings = _settings("Ollama")
    documented = settings.pop("OLLAMA_BASE_URL")
    model = _apply(settings, monkeypatch)
    assert str(_client(_runner(model)).base_url) == f"{documented}/"


@pytest.mark.parametrize(
    ("model", "operation"), [("", "converse-stream"), ("bedrock:amazon.nova-lite-v1:0", "converse")]
)
def test_bedrock_gets_a_signed_request(
    model: str, operation: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Converse and ConverseStream get a request for the page's region, signed with the credentials."""
    documented = _apply(_settings("Bedrock"), monkeypatch)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # the default session caches credentials
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
    name = (model or documented).partition(":")[2]

    assert _run(_runner(f"bedrock:{name}"), closes=False) == "".join(TOKENS)
    (request,) = server.requests
    assert request.path == f"/model/{name}/{operation}"
    assert re.match(
        r"AWS4-HMAC-SHA256 Credential=AKIATEST/\d{8}/us-east-1/bedrock/aws4_request, ", request.headers["authorization"]
    )
    assert request.body["system"] == [{"text": INSTRUCTIONS}]
    assert request.body["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]
