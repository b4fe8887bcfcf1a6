"""Builds the library's model object for `AGENT__MODEL`. Importing this module imports the agent library."""

import os
from typing import Final

from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from functions.agent.agents.model_name import OFFLINE
from shared.model_name import OLLAMA_DEFAULT_URL, ModelName

# One retry only, because the caller waits and API Gateway ends the request after 29 seconds.
MAX_RETRIES: Final = 1
CONNECT_TIMEOUT_SECONDS: Final = 5.0

# ruff: noqa: PLC0415 - importing a provider's SDK takes up to half a second of CPU; only the configured one is needed


def build_model(model: ModelName, timeout_seconds: float) -> Model:
    """Return a model that can be reused for every run on one event loop.

    The provider's SDK reads the endpoint and credentials: `OPENAI_API_KEY`, `OPENAI_BASE_URL`, `OLLAMA_BASE_URL`, and
    boto3's `AWS_*`.

    Args:
        model: The parsed `AGENT__MODEL`.
        timeout_seconds: The caller's timeout.

    Raises:
        Exception: The SDK's own error if it is missing or its environment is incomplete.
    """
    if model.provider == OFFLINE:
        from functions.agent.agents.offline import build_offline

        return build_offline()
    if model.provider == "bedrock":
        return _build_bedrock(model.name, timeout_seconds)
    if model.provider == "ollama":
        return _build_ollama(model.name)
    return _build_openai(model.name)


def _build_openai(name: str) -> Model:
    # Use the Chat Completions API instead of the Responses API, because OpenAI-compatible endpoints support it.
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return OpenAIChatModel(name, provider=OpenAIProvider(), settings=ModelSettings(max_retries=MAX_RETRIES))


def _build_ollama(name: str) -> Model:
    from pydantic_ai.models.ollama import OllamaModel
    from pydantic_ai.providers.ollama import OllamaProvider

    provider = OllamaProvider(base_url=os.environ.get("OLLAMA_BASE_URL") or OLLAMA_DEFAULT_URL)
    return OllamaModel(name, provider=provider, settings=ModelSettings(max_retries=MAX_RETRIES))


def _build_bedrock(name: str, timeout_seconds: float) -> Model:
    import boto3
    from botocore.config import Config
    from pydantic_ai.models.bedrock import BedrockConverseModel
    from pydantic_ai.providers.bedrock import BedrockProvider

    # botocore blocks a thread until it gives up, by default after five attempts of 60 s each. With this limit, an
    # abandoned call ends before the process' next call.
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1 + MAX_RETRIES, "mode": "standard"},
    )
    client = boto3.client("bedrock-runtime", config=config)
    return BedrockConverseModel(name, provider=BedrockProvider(bedrock_client=client))
