"""The data survives a stop and a restart, and the restart applies new settings."""

from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import DEFAULT_SETTINGS
from tests.e2e.other_stack import running
from tests.support.model_server import ModelServer


@pytest.mark.embedded("which start and stop other stacks")
def test_a_second_start_keeps_the_data(tmp_path: Path, thread_id: str, user_id: str) -> None:
    """After a restart both layers have their data, and the agent's instructions are exact.

    The second start uses an OpenAI-compatible model whose endpoint records the agent's instructions.
    """
    with running(tmp_path, DEFAULT_SETTINGS) as first:
        first.api.put_preferences(user_id, {"tone": "brief", "language": "fr"})
        first.api.invoked("Hello", "Hi there! How can I help?", thread_id=thread_id, user_id=user_id)
        pids = list(first.process.info["pids"].values())
    assert not (tmp_path / "stack.json").exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)

    with ModelServer() as server:
        url = f"{server.url}/v1"
        model = {"AGENT__MODEL": "openai:any-model", "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "a key"}
        with running(tmp_path, DEFAULT_SETTINGS | model) as second:
            assert second.api.contents(thread_id) == ["Hello", "Hi there! How can I help?"]
            assert second.layers.stored_contents(thread_id) == second.layers.cached_contents(thread_id)
            response = second.api.run("Tell me about Python", thread_id=thread_id, user_id=user_id)

    assert response["response"] == server.answer
    assert server.requests[0].body["model"] == "any-model"
    assert server.requests[0].body["messages"] == [
        {
            "role": "system",
            "content": (
                "You are a helpful assistant.\n"
                "\n"
                "Previous conversation:\n"
                "user: Hello\n"
                "assistant: Hi there! How can I help?\n"
                "\n"
                "User preferences:\n"
                "language: fr\n"
                "tone: brief"
            ),
        },
        {"role": "user", "content": "Tell me about Python"},
    ]
