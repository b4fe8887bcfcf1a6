"""Asks a provider's model for an answer in the form of a JSON schema: as the arguments of the only tool it may call.

Each client imports its SDK at the first use. The agent library is not used, because the function's artifact would be
twice as large with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from shared.errors import SettingsError, StoreUnavailable
from shared.model_name import NO_KEY, OLLAMA_DEFAULT_URL, ModelName

Answer = Callable[[str, str], object]
"""Returns the tool's arguments for instructions and a prompt. Raises `StoreUnavailable`."""

_MAX_TOKENS: Final = 4_096

# ruff: noqa: PLC0415 - the import of an SDK takes up to half a second of CPU


def create_client(model: ModelName, tool: str, schema: Mapping[str, Any], timeout_seconds: float) -> Answer:
    """Return a client of a model, without a request.

    Args:
        model: The model.
        tool: The name of the tool.
        schema: The JSON schema of its arguments.
        timeout_seconds: How long a request may take. Requests are not repeated.

    Raises:
        SettingsError: The provider's package is missing.
    """
    from importlib.util import find_spec

    package = "boto3" if model.provider == "bedrock" else "openai"
    if find_spec(package) is None:
        raise SettingsError(
            f"MEMORY__LEARNING is {model.provider}, which requires {package}:"
            " install it by pip install -r requirements/local.txt."
        )
    create = _bedrock if model.provider == "bedrock" else _openai
    return create(model, tool, schema, timeout_seconds)


def _unavailable(error: Exception) -> StoreUnavailable:
    # A provider's text may repeat the prompt.
    return StoreUnavailable("model", type(error).__name__)


def _bedrock(model: ModelName, tool: str, schema: Mapping[str, Any], timeout_seconds: float) -> Answer:
    @cache
    def client() -> Any:
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=5, read_timeout=timeout_seconds, retries={"total_max_attempts": 1})
        return boto3.client("bedrock-runtime", config=config)

    def answer(instructions: str, prompt: str) -> object:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            response = client().converse(
                modelId=model.name,
                system=[{"text": instructions}],
                messages=[{"role": "user", "content": [{"text": prompt}]}],
                toolConfig={
                    "tools": [{"toolSpec": {"name": tool, "inputSchema": {"json": schema}}}],
                    "toolChoice": {"any": {}},
                },
                inferenceConfig={"maxTokens": _MAX_TOKENS},
            )
            content = response["output"]["message"]["content"]
            return next(block["toolUse"]["input"] for block in content if "toolUse" in block)
        except (BotoCoreError, ClientError, KeyError, TypeError, StopIteration) as error:
            raise _unavailable(error) from error

    return answer


def _openai(model: ModelName, tool: str, schema: Mapping[str, Any], timeout_seconds: float) -> Answer:
    """Return a client of OpenAI, or of another server with its API, such as Ollama."""

    @cache
    def client() -> Any:
        from openai import OpenAI

        url, key = None, os.environ.get("OPENAI_API_KEY") or NO_KEY
        if model.provider == "ollama":
            url, key = os.environ.get("OLLAMA_BASE_URL") or OLLAMA_DEFAULT_URL, NO_KEY
        return OpenAI(api_key=key, base_url=url, timeout=timeout_seconds, max_retries=0)

    def answer(instructions: str, prompt: str) -> object:
        from openai import OpenAIError

        try:
            completion = client().chat.completions.create(
                model=model.name,
                messages=[{"role": "system", "content": instructions}, {"role": "user", "content": prompt}],
                tools=[{"type": "function", "function": {"name": tool, "parameters": schema}}],
                tool_choice={"type": "function", "function": {"name": tool}},
            )
            return json.loads(completion.choices[0].message.tool_calls[0].function.arguments)
        except (OpenAIError, AttributeError, IndexError, TypeError, ValueError, RecursionError) as error:
            # The SDK does not validate an answer's fields.
            raise _unavailable(error) from error

    return answer
