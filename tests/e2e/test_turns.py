"""A turn gives the agent its context and the caller a response, and stores the exchange."""

from uuid import UUID

import pytest

from tests.e2e.memory_api import MemoryApi
from tests.e2e.stores import Layers
from tests.support.offline_answers import followed_preferences, remembered, used_tool

pytestmark = pytest.mark.usefixtures("drained")


def test_the_third_turn_has_the_first_message_in_its_context(api: MemoryApi, thread_id: str, user_id: str) -> None:
    """The third answer contains the first message verbatim."""
    for prompt in ("My name is Ada Lovelace.", "I like engines."):
        api.run(prompt, thread_id=thread_id, user_id=user_id)

    answer = api.run("What is my name?", thread_id=thread_id, user_id=user_id)

    assert remembered(answer["response"]) == ["My name is Ada Lovelace.", "I like engines."]


def test_a_first_turn_names_the_store_of_its_exchange(api: MemoryApi, thread_id: str, user_id: str) -> None:
    """The first turn has no memory. Its exchange is in the queue and in Redis."""
    answer = api.run("Hello", thread_id=thread_id, user_id=user_id)

    assert answer.keys() == {"response", "thread_id", "exchange_id", "memory"}
    assert answer["thread_id"] == thread_id
    assert UUID(answer["exchange_id"]).version == 7
    assert answer["memory"] == {
        "source": "none",
        "degraded": [],
        "durability": "queue",
        "cached": True,
        "context_tokens": 0,
        "omitted_exchanges": 0,
    }


def test_a_second_turn_is_served_by_redis(api: MemoryApi, thread_id: str) -> None:
    """The first turn filled the list that serves the second turn."""
    api.run("Hello", thread_id=thread_id)

    assert api.run("Again", thread_id=thread_id)["memory"]["source"] == "redis"


def test_the_context_has_the_seeds_format(api: MemoryApi, thread_id: str, user_id: str) -> None:
    """The context is the conversation, a blank line and the preferences, exactly in the specification's format."""
    api.put_preferences(user_id, {"preferred_language": "Python", "expertise_level": "intermediate"})
    first = api.invoked("Hello", "Hi there! How can I help?", thread_id=thread_id, user_id=user_id)
    second = api.invoked(
        "Tell me about Python", "Python is a programming language...", thread_id=thread_id, user_id=user_id
    )

    context = api.invoking(thread_id=thread_id, user_id=user_id)

    assert context["context"] == (
        "Previous conversation:\n"
        "user: Hello\n"
        "assistant: Hi there! How can I help?\n"
        "user: Tell me about Python\n"
        "assistant: Python is a programming language...\n"
        "\n"
        "User preferences:\n"
        "expertise_level: intermediate\n"
        "preferred_language: Python"
    )
    assert context["preferences"] == {"preferred_language": "Python", "expertise_level": "intermediate"}
    assert context["source"] == "redis"
    assert context["degraded"] == []
    assert [(message["role"], message["exchange_id"]) for message in context["messages"]] == [
        ("user", first["exchange_id"]),
        ("assistant", first["exchange_id"]),
        ("user", second["exchange_id"]),
        ("assistant", second["exchange_id"]),
    ]
    assert all(message["created_at"].endswith("Z") for message in context["messages"])


def test_absent_parts_leave_no_blank_lines(api: MemoryApi, thread_id: str, user_id: str) -> None:
    """If the memory has only one part, the context is this part. Without any memory, the context is empty."""
    assert api.invoking(thread_id=thread_id, user_id=user_id)["context"] == ""
    api.put_preferences(user_id, {"tone": "brief"})
    assert api.invoking(thread_id=thread_id, user_id=user_id)["context"] == "User preferences:\ntone: brief"
    api.invoked("Hello", "Hi", thread_id=thread_id)
    assert api.invoking(thread_id=thread_id)["context"] == "Previous conversation:\nuser: Hello\nassistant: Hi"


def test_without_a_thread_nothing_is_remembered(api: MemoryApi, user_id: str) -> None:
    """Without a thread there is no thread memory and no error. Preferences are in the context."""
    api.put_preferences(user_id, {"tone": "brief"})

    for _ in range(2):
        answer = api.run("Hello", user_id=user_id)

        assert remembered(answer["response"]) == []
        assert followed_preferences(answer["response"]) == ["tone: brief"]
        assert answer["thread_id"] is None
        assert answer["memory"]["degraded"] == []
        assert answer["memory"]["cached"] is False
    assert api.threads(user_id)["items"] == []
    assert api.invoking() == {
        "context": "",
        "messages": [],
        "preferences": {},
        "context_tokens": 0,
        "omitted_exchanges": 0,
        "source": "none",
        "degraded": [],
    }


def test_without_a_user_no_preferences_are_used(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """Without a user there are no preferences and no error. The thread is remembered."""
    api.run("Hello", thread_id=thread_id)

    answer = api.run("Again", thread_id=thread_id)

    assert "Hello" in remembered(answer["response"])
    assert followed_preferences(answer["response"]) == []
    assert answer["memory"]["degraded"] == []
    layers.wait_stored(thread_id, 4)
    assert layers.conversations(thread_id)[0][0] is None


def test_two_threads_and_two_users_have_separate_memories(api: MemoryApi, thread_id: str, user_id: str) -> None:
    """Two users take turns in two threads. Each turn has only its own thread and its own user's preferences."""
    other_thread, other_user = f"{thread_id}_2", f"{user_id}_2"
    api.put_preferences(user_id, {"colour": "red"})
    api.put_preferences(other_user, {"colour": "blue"})
    for number in range(3):
        api.run(f"apple {number}", thread_id=thread_id, user_id=user_id)
        api.run(f"banana {number}", thread_id=other_thread, user_id=other_user)

    mine = api.invoking(thread_id=thread_id, user_id=user_id)
    clients_id = api.invoking(thread_id=other_thread, user_id=other_user)

    assert "apple 2" in mine["context"]
    assert "banana" not in mine["context"]
    assert mine["preferences"] == {"colour": "red"}
    assert "banana 2" in clients_id["context"]
    assert "apple" not in clients_id["context"]
    assert clients_id["preferences"] == {"colour": "blue"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("👩‍👩‍👧‍👦 and 🏳️‍🌈 \U0001f9e0", id="emoji"),
        pytest.param("مرحبا بالعالم، שלום עולם", id="right-to-left"),
        pytest.param("line one\nline two\r\n\ttab \\ \"quoted\" 'single' </script> {{x}} %s", id="syntax"),
        pytest.param("\ufffe\uffff\u2028\u200b\ufeff", id="noncharacters"),
        pytest.param(" ", id="a space"),
    ],
)
def test_any_text_is_unchanged(api: MemoryApi, layers: Layers, thread_id: str, text: str) -> None:
    """Text of every script is unchanged by API, queue, list and table."""
    api.run(text, thread_id=thread_id)

    context = api.invoking(thread_id=thread_id)

    assert context["messages"][0]["content"] == text
    assert layers.cached(thread_id)[0]["content"] == text
    assert layers.wait_stored(thread_id, 2)[0][1] == text


def test_a_prompt_of_200000_characters_is_stored_completely(api: MemoryApi, layers: Layers, thread_id: str) -> None:
    """The longest prompt is stored completely and is in the next turn's context."""
    prompt = "x" * 199_990 + " the end. "
    assert len(prompt) == 200_000

    assert api.run(prompt, thread_id=thread_id)["memory"]["durability"] == "queue"

    assert api.invoking(thread_id=thread_id)["messages"][0]["content"] == prompt
    assert layers.wait_stored(thread_id, 2)[0][1] == prompt


def test_an_exchange_too_large_for_the_queue_is_stored_directly(api: MemoryApi, thread_id: str) -> None:
    """Two messages of 200,000 emoji exceed SQS' limit, so PostgreSQL stores them before the response."""
    question, answer = "🦄" * 200_000, "🐉" * 200_000

    appended = api.invoked(question, answer, thread_id=thread_id)

    assert appended["durability"] == "postgres"
    assert appended["cached"] is True
    assert api.contents(thread_id) == [question, answer]


def test_requested_tools_are_called(api: MemoryApi, layers: Layers, thread_id: str, user_id: str) -> None:
    """The agent calls the requested tools: the answer has the time.

    The search finds only the user's own older conversations.
    """
    for owner in (user_id, f"{user_id}_2"):
        api.run(f"{owner} likes pistachio", thread_id=f"old_{owner}", user_id=owner)
        layers.wait_stored(f"old_{owner}", 2)

    result = api.run("What time is it?", tools=["current_time"], thread_id=thread_id, user_id=user_id)
    found = api.run(
        "Search my older conversations for pistachio",
        tools=["search_conversations"],
        thread_id=thread_id,
        user_id=user_id,
    )

    assert used_tool("current_time") in result["response"]
    assert f"{user_id} likes pistachio" in found["response"]
    assert f"{user_id}_2 likes" not in found["response"]
