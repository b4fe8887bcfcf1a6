"""A model whose requests create spans, by OpenTelemetry's semantic conventions for generative AI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from shared.model_name import ModelName

if TYPE_CHECKING:
    from shared.tracing.tracer import Tracer

# The conventions' names of providers that have another name in `AGENT__MODEL`.
_PROVIDERS = {"bedrock": "aws.bedrock"}


class TracedModel(WrapperModel):
    """Records the model's name, the duration and the number of tokens of each request, but no texts.

    The library's own instrumentation would record exceptions, whose texts may quote a prompt.
    """

    def __init__(self, wrapped: Model, name: ModelName, tracer: Tracer) -> None:
        super().__init__(wrapped)
        self._span_name = f"chat {name.name or name.provider}"
        self._span_attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": _PROVIDERS.get(name.provider, name.provider),
            "gen_ai.request.model": name.name or name.provider,
        }
        self._tracer = tracer

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Send a request to the model."""
        with self._tracer.call(self._span_name, self._span_attributes) as span:
            response = await super().request(messages, model_settings, model_request_parameters)
            span.set_attribute("gen_ai.usage.input_tokens", response.usage.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", response.usage.output_tokens)
            return response
