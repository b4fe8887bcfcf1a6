"""Runs the examples of the installed framework, as a user would."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
OUTPUT = {
    ("agent_framework_history.py", "agent_framework"): "I was shown 1 messages.\nI was shown 3 messages.",
    ("langgraph_preferences.py", "langgraph"): "Shown 1, in a brief tone.",
    ("openai_agents_session.py", "agents"): "I was shown 1 messages.\nI was shown 3 messages.",
    ("pydantic_ai_history.py", "pydantic_ai"): "Hello, Ada. of 2 messages\nHello, Ada. of 4 messages",
    ("strands_session.py", "strands"): "I was shown 1 messages.\n\nI was shown 3 messages.",
}
INSTALLED = [(name, text) for (name, needs), text in OUTPUT.items() if importlib.util.find_spec(needs)]


@pytest.mark.parametrize(("name", "expected"), INSTALLED, ids=[name for name, _ in INSTALLED])
def test_an_example_runs(name: str, expected: str) -> None:
    """The example ends without an error and prints what the agent got from the memory."""
    result = subprocess.run(
        [sys.executable, EXAMPLES / name],
        env={**os.environ, "OPENAI_AGENTS_DISABLE_TRACING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert expected in result.stdout


@pytest.mark.skipif(importlib.util.find_spec("langgraph") is None, reason="needs LangGraph")
def test_the_graph_of_the_recipe_remembers_in_the_next_process(user_id: str, thread_id: str) -> None:
    """A second process knows the first process's message and preference. Another user's thread has neither."""

    def run(user: str, thread: str, prompt: str) -> str:
        script = EXAMPLES / "langgraph-memory" / "remember.py"
        result = subprocess.run(
            [sys.executable, script, user, thread, prompt], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    first = "Your first message was 'I prefer short answers.'. You prefer short answers."
    assert run(user_id, thread_id, "I prefer short answers.") == first
    assert run(user_id, thread_id, "What do I prefer?") == first
    assert run(f"{user_id}-2", f"{thread_id}-2", "Hi") == "Your first message was 'Hi'. You prefer nothing."


def test_every_example_is_run() -> None:
    """Every example is tested: `client.py` in its own environment, two by the service's tests, and the others here."""
    others = {"client.py", "plugin.py", "replay_from_redis.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == others | {name for name, _ in OUTPUT}
