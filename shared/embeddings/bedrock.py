"""Embeds texts by Amazon Bedrock: the models Titan and Cohere Embed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal

from shared.embeddings.embedder import Vector, clean, to_unit_vectors, unavailable
from shared.errors import SettingsError

# A request of Cohere may have this number of texts; one of Titan has one.
_MAX_TEXTS: Final = 96
_TITAN: Final = "amazon.titan-embed-text"
_TITAN_2: Final = "amazon.titan-embed-text-v2"
_TITAN_2_DIMENSIONS: Final = 512  # of up to 1,024, with little loss
_COHERE: Final = "cohere.embed"

InputType = Literal["search_document", "search_query"]


class BedrockEmbedder:
    """A model of Bedrock. `name` is a model's id, or the id or ARN of an inference profile that contains it.

    Raises:
        SettingsError: The name contains no supported model.
    """

    def __init__(self, name: str, timeout_seconds: float) -> None:
        if _TITAN not in name and _COHERE not in name:
            raise SettingsError(
                f"SEARCH__EMBEDDINGS is invalid: the name of a model of Bedrock must contain {_TITAN} or {_COHERE}."
            )
        self._name = name
        self._timeout_seconds = timeout_seconds
        self.model: Final = f"bedrock:{name}"

    @cached_property
    def dimensions(self) -> int:
        """The number of values of each vector, which only Bedrock knows for some models."""
        return _TITAN_2_DIMENSIONS if _TITAN_2 in self._name else len(self.embed_query(self._name))

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vector of each text."""
        return self._embed([clean(text) for text in texts], "search_document")

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query."""
        return self._embed([clean(text)], "search_query")[0]

    def _embed(self, texts: list[str], input_type: InputType) -> list[Vector]:
        if _TITAN in self._name:
            answers = [self._invoke(self._titan_request(text)).get("embedding") for text in texts]
            return to_unit_vectors(self.model, answers, len(texts))
        return [
            vector
            for start in range(0, len(texts), _MAX_TEXTS)
            for vector in self._embed_by_cohere(texts[start : start + _MAX_TEXTS], input_type)
        ]

    def _titan_request(self, text: str) -> dict[str, object]:
        if _TITAN_2 in self._name:
            return {"inputText": text, "dimensions": _TITAN_2_DIMENSIONS, "normalize": True}
        return {"inputText": text}

    def _embed_by_cohere(self, texts: list[str], input_type: InputType) -> list[Vector]:
        request = {"texts": texts, "input_type": input_type, "truncate": "END", "embedding_types": ["float"]}
        vectors = self._invoke(request).get("embeddings")
        if isinstance(vectors, dict):  # one list for each requested type
            vectors = vectors.get("float")
        return to_unit_vectors(self.model, vectors, len(texts))

    @cached_property
    def _client(self) -> Any:
        import boto3  # noqa: PLC0415 - the import takes up to half a second of CPU
        from botocore.config import Config  # noqa: PLC0415 - as above

        config = Config(
            connect_timeout=self._timeout_seconds,
            read_timeout=self._timeout_seconds,
            retries={"total_max_attempts": 1},
        )
        return boto3.client("bedrock-runtime", config=config)

    def _invoke(self, request: Mapping[str, object]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

        try:
            answer = self._client.invoke_model(modelId=self._name, body=json.dumps(request))
            content = json.loads(answer["body"].read())
        except (BotoCoreError, ClientError, ValueError) as error:
            raise unavailable(self.model, error) from error
        return content if isinstance(content, dict) else {}
