"""Memory adds to the instructions exactly the text of the specification's section *Context Injection*."""

from shared.memory.context import conversation_text, join_parts, preferences_text
from shared.models import Message, title_of

MESSAGES = [
    Message("user", "Hello"),
    Message("assistant", "Hi there! How can I help?"),
    Message("user", "Tell me about Python"),
    Message("assistant", "Python is a programming language..."),
]
PREFERENCES = {"preferred_language": "Python", "expertise_level": "intermediate"}
SPECIFIED_TEXT = """\
You are a helpful assistant.

Previous conversation:
user: Hello
assistant: Hi there! How can I help?
user: Tell me about Python
assistant: Python is a programming language...

User preferences:
expertise_level: intermediate
preferred_language: Python"""


def test_the_text_is_the_specified_text() -> None:
    """A blank line separates instructions, conversation and preferences. Preferences are sorted by name."""
    joined = join_parts("You are a helpful assistant.", conversation_text(MESSAGES), preferences_text(PREFERENCES))
    assert joined == SPECIFIED_TEXT


def test_absent_parts_leave_no_blank_lines() -> None:
    """If a part is missing, one blank line separates the other parts. No blank line is before or after them."""
    assert join_parts("I", "", "") == "I"
    assert join_parts("I", "", preferences_text({"a": "b"})) == "I\n\nUser preferences:\na: b"
    assert join_parts("I", conversation_text(MESSAGES[:1]), "") == "I\n\nPrevious conversation:\nuser: Hello"
    assert join_parts("", conversation_text(MESSAGES[:1])) == "Previous conversation:\nuser: Hello"
    assert join_parts("", "", "") == ""


def test_without_memory_the_text_is_empty() -> None:
    """Without memory, the text has no heading and no blank line."""
    assert conversation_text([]) == ""
    assert conversation_text([Message("user", ""), Message("assistant", "")]) == ""
    assert conversation_text([Message("user", ""), MESSAGES[1]]).count("\n") == 1
    assert preferences_text({}) == ""


def test_messages_stay_unchanged() -> None:
    """A message's lines, spaces and emoji stay unchanged."""
    assert conversation_text([Message("user", " a\n\nb 🎉 ")]) == "Previous conversation:\nuser:  a\n\nb 🎉 "


def test_preferences_are_sorted_by_name() -> None:
    """Redis and PostgreSQL may return preferences in different orders. The text always lists them by name."""
    assert preferences_text({"b": "2", "a": "1"}) == preferences_text({"a": "1", "b": "2"})


def test_a_title_is_one_line_of_at_most_80_characters() -> None:
    """A title is the beginning of the first message, as one line of at most 80 characters."""
    assert title_of("  Tell me\n\tabout   Python ") == "Tell me about Python"
    assert title_of("x" * 500) == "x" * 80
    assert title_of("🎉" * 81) == "🎉" * 80
    assert title_of(" \n") == ""
