"""Detects a model's error for a context that is too long. The providers have different error codes and messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from pydantic_ai.exceptions import ModelHTTPError

_TOO_LONG: Final = re.compile(
    # OpenAI, Azure, vLLM, LM Studio, Mistral, DeepSeek: the code, or the message without a code.
    r"context_length_exceeded|(?:maximum|max) context length|context[ _](?:length|window|size|limit)"
    r"|longer than the maximum model length|string_above_max_length|string too long"
    r"|reduce the length of the (?:messages|prompt|input)"
    # llama.cpp and Ollama.
    r"|exceed_context_size|exceeds the (?:available )?context|input length exceeds"
    # Bedrock and Anthropic.
    r"|(?:input|prompt)(?: is)? too long|too many (?:input )?tokens|request_too_large|exceeds? the maximum size"
    # Gemini and Cohere.
    r"|maximum number of (?:input )?tokens|input token count|too many total text|total number of tokens",
    re.IGNORECASE,
)
_REQUEST_STATUSES: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        # llama.cpp and Ollama return this status for a context that is too long.
        HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)


def is_context_too_long(error: Exception) -> bool:
    """Return whether the model rejected the request because its context is too long."""
    for each in _causes(error):
        if isinstance(each, ModelHTTPError):
            if each.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return True
            return each.status_code in _REQUEST_STATUSES and bool(_TOO_LONG.search(f"{each.body} {each.message}"))
    return False


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__
