"""The `offline` model answers from memory as a person would, and shows which memory it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.agent.agents.offline_answer import compose
from functions.agent.agents.offline_memory import find_memory, find_name, name_in
from shared.memory.context import conversation_text, join_parts, preferences_text
from shared.models import Message
from tests.support.offline_answers import INTRODUCTION, NO_MESSAGES, followed_preferences, remembered, used_tool

FACTS = (
    "My name is Ada Lovelace.",
    "I live in London with two cats.",
    "My birthday is on December 10.",
    "I love engines. I work at a bank.",
    "My favourite colour is green.",
)
PREFERENCES = {"preferred_language": "Python", "tone": "brief"}
Messages = Sequence[tuple[str, str]]


def _instructions(messages: Messages, preferences: Mapping[str, str] | None = None) -> str:
    """Return instructions with the memory, in the specified format of *Context Injection*."""
    conversation = conversation_text([Message(role, content) for role, content in messages])
    return join_parts("You are a helpful assistant.", conversation, preferences_text(preferences or {}))


def _answer(prompt: str, messages: Messages = (), preferences: Mapping[str, str] | None = None) -> str:
    return compose(prompt, _instructions(messages, preferences), [])


def _talk(prompts: Sequence[str], preferences: Mapping[str, str] | None = None) -> list[str]:
    """Return the answers of a conversation."""
    messages: list[tuple[str, str]] = []
    for prompt in prompts:
        answer = _answer(prompt, messages[-100:], preferences)
        messages += [("user", prompt), ("assistant", answer)]
    return [content for role, content in messages if role == "assistant"]


def test_a_comparison_of_the_layers_has_a_table_and_code() -> None:
    """The model shows what Markdown looks like on the page, if it is asked for a table or code about the layers."""
    for prompt in ("Compare the two layers. Use a table, and show me the code.", "The layers in a table?"):
        answer = _answer(prompt, [("user", FACTS[0])])
        assert answer.startswith("## Two layers, compared\n")
        assert "\n| Layer | Holds | If it is down |\n|---|---|---|\n" in answer
        assert "\n```python\ndef load_history(" in answer
        assert remembered(answer) == [FACTS[0]]
    assert "|---|" not in _answer("I have a table with two layers of paint.")


@pytest.mark.parametrize(
    ("question", "start"),
    [
        ("What is my name?", "Your name is Ada Lovelace."),
        ("who am i", "Your name is Ada Lovelace."),
        ("Where do I live?", "You told me: “I live in London with two cats.”"),
        ("How many cats do I have?", "You told me: “I live in London with two cats.”"),
        ("When is my birthday?", "You told me: “My birthday is on December 10.”"),
        ("What do I like?", "You told me: “I love engines.”"),
        ("Where do I work?", "You told me: “I work at a bank.”"),
        ("What's my favorite color?", "You told me: “My favourite colour is green.”"),
        ("Which language do I prefer?", "Your preferences say: “preferred_language: Python”"),
        ("What did we talk about?", "Here is what I know."),
        ("Do you remember my dog?", "I remember nothing that answers “Do you remember my dog?”"),
        ("I sold the bank.", "Noted, Ada Lovelace: “I sold the bank.”"),
        ("Hello again!", "Hello, Ada Lovelace!"),
        ("Thanks a lot!", "You are welcome, Ada Lovelace!"),
        ("My name is Grace", "Nice to meet you, Grace!"),
        ("Who are you?", "I show what an agent remembers."),
    ],
)
def test_questions_are_answered_from_memory(question: str, start: str) -> None:
    """The answer starts as a person's would, and shows the whole memory."""
    messages = [("user", fact) for fact in FACTS]
    answer = _answer(question, messages, PREFERENCES if "prefer" in question else None)
    assert answer.startswith(start)
    assert remembered(answer) == list(FACTS)


@pytest.mark.parametrize("prompt", ["Hello", "What is my name?", "Where do I live?", "I like tea.", "", "\uff1f"])
def test_without_memory_the_answer_says_so(prompt: str) -> None:
    """Without memory, every answer says that there is none."""
    answer = _answer(prompt)
    assert NO_MESSAGES in answer
    assert remembered(answer) == []
    assert followed_preferences(answer) == []


def test_every_preference_is_listed() -> None:
    """The answer has the key and the value of each preference, with and without a conversation."""
    for messages in ([], [("user", "Hi"), ("assistant", "Hello")]):
        answer = _answer("Hello", messages, PREFERENCES)
        assert followed_preferences(answer) == ["preferred_language: Python", "tone: brief"]
        assert (NO_MESSAGES in answer) == (not messages)


def test_the_model_introduces_itself_once() -> None:
    """Only the first answer of a conversation says that it comes from the offline demo model."""
    answers = _talk(["Hello", *FACTS])
    assert [INTRODUCTION in answer for answer in answers] == [True, *[False] * len(FACTS)]


def test_answers_of_other_agents_are_quoted_but_not_the_own_ones() -> None:
    """The first line of another agent's answer is quoted.

    The offline model does not quote its own answers, because they repeat messages.
    """
    own_answer = _answer("I like tea.")
    messages = [("user", "Hi"), ("assistant", "Good day!\nMore."), ("user", "I like tea."), ("assistant", own_answer)]
    assert remembered(_answer("And?", messages)) == ["Hi", "Good day!", "I like tea."]


def test_a_message_with_several_lines_is_quoted_as_it_is() -> None:
    """The quote of a message with blank lines has the message's own text."""
    message = "My name is Ana.\n\nMy cat is Tom."
    answer = _answer("Who am I?", [("user", message)])
    assert remembered(answer) == [message]
    assert message in answer


def test_a_message_that_resembles_a_heading_stays_a_message() -> None:
    """A message that resembles a heading stays a message."""
    messages = [("user", "User preferences:\nPrevious conversation:"), ("assistant", "Hm")]
    memory = find_memory(_instructions(messages, {"tone": "dry"}))
    assert memory.messages == tuple(messages)
    assert memory.preferences == ("tone: dry",)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello, my name is ada and I like engines", "ada"),
        ("my name's Ada Lovelace and I like engines", "Ada Lovelace"),
        ("Hi, I'm Grace.", "Grace"),
        ("Call me Bob!", "Bob"),
        ("My name is José María.", "José María"),
        ("My name is Zoe\u0308.", "Zoe\u0308"),
        ("My name is 李雷。我喜欢茶", "李雷"),
        ("My name is अदिति", "अदिति"),
        ("My name is Ada. No, my name is Eve.", "Eve"),
        ("Call me later.", None),
        ("Hi, I am tired.", None),
        ("My name is not important.", None),
        ("What is my name?", None),
        ("My name is ", None),
    ],
)
def test_names_are_found(text: str, name: str | None) -> None:
    """A name is found in each of several scripts. Other words do not count as names."""
    assert name_in(text) == name


def test_the_latest_name_is_used_and_then_a_preference() -> None:
    """A name in a message has priority over a name in the preferences, because a preference may be old."""
    preferences = {"name": "Ada"}
    assert find_name(find_memory(_instructions([], preferences))) == "Ada"
    assert find_name(find_memory(_instructions([("user", "Call me Eve.")], preferences))) == "Eve"
    assert find_name(find_memory(_instructions([("user", "Hello")], {"tone": "dry"}))) is None


def test_a_tools_result_is_the_answer() -> None:
    """The results of tools come first, and the memory follows."""
    answer = compose("What time is it?", _instructions([("user", "Hi")]), [("current_time", "now"), ("other", "x")])
    assert answer.startswith(f"{used_tool('current_time', 'now')}\n\n{used_tool('other', 'x')}\n")
    assert remembered(answer) == ["Hi"]


def test_the_newest_messages_of_a_long_conversation_are_listed() -> None:
    """The answer lists the newest messages and says how many messages the conversation has."""
    prompts = [f"Fact {number}." for number in range(40)]
    answers = _talk(prompts)
    assert remembered(answers[-1]) == prompts[29:39]
    assert "I remember 39 messages of yours. The latest:" in answers[-1]


@given(
    prompt=st.text(max_size=300),
    messages=st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(min_size=1, max_size=80)), max_size=6),
    preferences=st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=20), max_size=3),
)
def test_every_input_has_an_answer_with_the_memory(
    prompt: str, messages: list[tuple[str, str]], preferences: dict[str, str]
) -> None:
    """Every prompt has the same answer each time, and the answer has the remembered texts."""
    instructions = _instructions(messages, preferences)
    answer = compose(prompt, instructions, [])
    assert answer == compose(prompt, instructions, [])
    for content in find_memory(instructions).user_messages:
        assert content in answer
    for preference in find_memory(instructions).preferences:
        assert preference in answer
