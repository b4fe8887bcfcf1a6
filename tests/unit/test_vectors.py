"""Vectors: their derivation, the threads that are due, and the search by meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from functions.derive.vectors import VectorDerivation
from functions.sync.due_work import DueWork
from shared.embeddings import Embedders, Vector
from shared.embeddings.embedder import to_unit_vectors
from shared.errors import StoreUnavailable
from shared.memory.memory import Memory
from shared.memory.search.fusion import fuse
from shared.memory.search.search import Search
from shared.models import ExchangeTexts
from shared.settings import MemorySettings
from shared.stores.derivations import VECTORS
from shared.stores.search import SearchScope
from shared.testing import InMemoryArchive, InMemoryCache, InMemoryQueue
from shared.testing.derivations import InMemoryDueQueue
from tests.support.exchanges import said

# Words with the same meaning have the same dimension.
_MEANINGS = {"car": 0, "vehicle": 0, "cat": 1, "kitten": 1, "rain": 2, "weather": 2}


@dataclass
class FakeEmbedder:
    """A model that knows some words."""

    model: str = "fake"
    dimensions: int = 4
    is_down: bool = False
    calls: list[int] = field(default_factory=list)

    def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
        """Return a vector with a dimension for each meaning."""
        self.calls.append(len(texts))
        if self.is_down:
            raise StoreUnavailable("search", "fake is down")
        return to_unit_vectors(self.model, [_vector(text) for text in texts], len(texts))

    def embed_query(self, text: str) -> Vector:
        """Return the vector of a query."""
        return self.embed_texts([text])[0]


def _vector(text: str) -> Vector:
    vector = [0.1, -0.1, 0.1, -0.1]
    for word in text.lower().split():
        if word in _MEANINGS:
            vector[_MEANINGS[word]] += 1
    return vector


@dataclass
class FakeEmbedders:
    """The configured model and others."""

    configured: FakeEmbedder
    others: dict[str, FakeEmbedder] = field(default_factory=dict)

    def get(self, model: str) -> FakeEmbedder | None:
        """Return a model by its name."""
        return self.configured if model == self.configured.model else self.others.get(model)


@pytest.fixture
def archive() -> InMemoryArchive:
    """Return an archive from which vectors are derived."""
    made = InMemoryArchive()
    made.derives = [VECTORS]
    return made


@pytest.fixture
def search(archive: InMemoryArchive) -> Callable[..., Search]:
    """Return a function that creates a search with models."""
    memory = Memory(InMemoryCache(), archive, InMemoryQueue(), MemorySettings())
    memory.cache.record_loss(is_first=True)
    return lambda embedder, **others: Search(memory, cast("Embedders", FakeEmbedders(embedder, others)))


def _texts(search: Search, query: str, limit: int = 10) -> list[str]:
    return [item.exchange.user_message for item in search.search(SearchScope("ana"), query, limit).items]


def test_an_exchange_is_found_by_its_meaning(archive: InMemoryArchive, search: Callable[..., Any]) -> None:
    """After the derivation, a query with other words finds the exchange."""
    embedder = FakeEmbedder()
    archive.store([said("my car is red", thread_id="a"), said("my kitten sleeps", thread_id="b")])
    assert _texts(search(embedder), "vehicle") == []
    for thread_id in ("a", "b"):
        assert VectorDerivation(archive, embedder).derive(thread_id, 9)
    answer = search(embedder).search(SearchScope("ana"), "vehicle", 10)
    assert answer.items[0].exchange.user_message == "my car is red"
    assert (answer.arms, answer.degraded) == (["text", "vector"], [])


def test_a_derivation_is_repeatable(archive: InMemoryArchive) -> None:
    """A second derivation makes no vectors, and the thread is not due any more."""
    embedder = FakeEmbedder()
    archive.store([said(f"car {number}") for number in range(20)])
    assert archive.due_threads(VECTORS, -1, 60, 9) == ["t"]
    assert VectorDerivation(archive, embedder).derive("t", 9)
    assert embedder.calls == [16, 16, 8]
    assert archive.due == {}
    assert VectorDerivation(archive, embedder).derive("t", 9)
    assert embedder.calls == [16, 16, 8]


def test_a_derivation_stops_at_its_deadline(archive: InMemoryArchive) -> None:
    """Without time left, the thread stays due."""
    archive.store([said("car")])
    assert not VectorDerivation(archive, FakeEmbedder()).derive("t", -1)
    assert (VECTORS, "t") in archive.due


def test_a_replaced_exchange_gets_a_new_vector(archive: InMemoryArchive, search: Callable[..., Any]) -> None:
    """The vector of the old texts is not compared any more."""
    embedder, stored = FakeEmbedder(), said("my car is red")
    archive.store([stored])
    VectorDerivation(archive, embedder).derive("t", 9)
    archive.replace_exchange("t", stored.exchange_id, ExchangeTexts("my kitten sleeps", "ok"))
    assert _texts(search(embedder), "vehicle") == []
    assert VectorDerivation(archive, embedder).derive("t", 9)
    assert _texts(search(embedder), "cat") == ["my kitten sleeps"]


def test_a_deleted_exchange_has_no_vector(archive: InMemoryArchive, search: Callable[..., Any]) -> None:
    """A deletion also removes the exchange from the search by meaning."""
    embedder, stored = FakeEmbedder(), said("my car is red")
    archive.store([stored])
    VectorDerivation(archive, embedder).derive("t", 9)
    archive.delete_exchange("t", stored.exchange_id)
    assert _texts(search(embedder), "vehicle") == []


def test_a_refused_text_does_not_block_its_thread(archive: InMemoryArchive, search: Callable[..., Any]) -> None:
    """If the model refuses one text, the others get vectors. If it refuses all, the thread waits."""

    @dataclass
    class Refusing(FakeEmbedder):
        def embed_texts(self, texts: Sequence[str]) -> list[Vector]:
            if any("refused" in text for text in texts):
                raise StoreUnavailable("search", "too long")
            return super().embed_texts(texts)

    archive.store(
        [said("refused", thread_id="a"), said("my car is red", thread_id="a"), said("refused", thread_id="b")]
    )
    embedder = Refusing()
    assert VectorDerivation(archive, embedder).derive("a", 9)
    assert _texts(search(embedder), "vehicle")[0] == "my car is red"
    with pytest.raises(StoreUnavailable):
        VectorDerivation(archive, embedder).derive("b", 9)
    assert (VECTORS, "b") in archive.due


def test_a_model_that_does_not_answer_is_reported(archive: InMemoryArchive, search: Callable[..., Any]) -> None:
    """Without the query's vector, the words are searched, and the answer says that something is missing."""
    archive.store([said("my car is red")])
    embedder = FakeEmbedder(is_down=True)
    answer = search(embedder).search(SearchScope("ana"), "car", 10)
    assert [item.exchange.user_message for item in answer.items] == ["my car is red"]
    assert (answer.arms, answer.degraded) == (["text"], ["search"])
    with pytest.raises(StoreUnavailable):
        VectorDerivation(archive, embedder).derive("t", 9)


def test_a_model_that_does_not_answer_delays_one_search(archive: InMemoryArchive, search: Callable[..., Any]) -> None:
    """After a failure, the next searches do not wait for the model, and say that something is missing."""
    archive.store([said("my car is red")])
    embedder = FakeEmbedder(is_down=True)
    process = search(embedder)
    answers = [process.search(SearchScope("ana"), "car", 10) for _ in range(3)]
    assert [answer.degraded for answer in answers] == [["search"]] * 3
    assert embedder.calls == [1]


def test_after_a_change_of_the_model_the_old_vectors_are_searched(
    archive: InMemoryArchive, search: Callable[..., Any]
) -> None:
    """Until all threads have vectors of the new model, the last model's are compared. Then they are removed."""
    old, new = FakeEmbedder("old"), FakeEmbedder("new", is_down=True)
    archive.store([said("my car is red")])
    VectorDerivation(archive, old).derive("t", 9)
    assert _texts(search(new, old=old), "vehicle") == ["my car is red"]
    queue = InMemoryDueQueue()
    DueWork(queue, {VECTORS: "new"}).sweep(archive, deadline=0)
    assert _texts(search(new, old=old), "vehicle") == ["my car is red"]
    new.is_down = False
    assert VectorDerivation(archive, new).derive("t", 9)
    assert _texts(search(new), "vehicle") == ["my car is red"]
    assert archive.remove_other_vectors("new") == 1
    assert search(new).search(SearchScope("ana"), "vehicle", 10).arms == ["text", "vector"]


def test_the_sweep_sends_missed_threads(archive: InMemoryArchive) -> None:
    """A thread whose message was lost is sent again, and old threads are marked once."""
    archive.derives = []
    archive.store([said("car", thread_id="a"), said("cat", thread_id="b", user_id=None)])
    queue = InMemoryDueQueue()
    assert archive.due == {}
    DueWork(queue, {VECTORS: "fake"}).sweep(archive, deadline=0)
    assert list(archive.due) == [(VECTORS, "a")]
    assert archive.mark_old_threads(VECTORS, "fake") == 0


def test_fusion_orders_by_both_arms() -> None:
    """Words and meaning count equally; an exchange without a vector is scored by its words."""
    scores = fuse({"a": 2.0, "b": 1.0, "c": 2.0}, {"a": 0.1, "b": 0.9}, {"a": 1, "b": 2, "c": 3})
    assert max(scores, key=lambda name: scores[name]) == "c"
    assert scores["b"] > scores["a"]
    assert fuse({}, {}, {}) == {}
    assert fuse({}, {"a": 0.5}, {"a": 1}) == {"a": pytest.approx(0.8)}
