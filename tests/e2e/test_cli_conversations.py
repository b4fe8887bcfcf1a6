"""`chat`, `tail` and `import` with the deployed API, and every table at usual widths."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rich.cells import cell_len

from tests.e2e.command_line import CommandLine
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.support.terminal import run_on_terminal

_MOMENT = timedelta(seconds=1)


@pytest.fixture
def cli(deployment: Deployment, tmp_path: Path) -> CommandLine:
    """Return the command line."""
    return CommandLine(deployment, tmp_path)


def test_the_agent_remembers_a_chat(cli: CommandLine, layers: Layers, thread_id: str, user_id: str) -> None:
    """The answer to the second message uses the memory of the first message. Both exchanges are stored."""
    options = ("--thread", thread_id, "--user", user_id)
    first = cli.run("chat", "My name is Ada.", *options)
    assert first.stdout.strip()
    assert first.stderr == "(no memory yet, stored in the queue)\n"
    second = cli.json("chat", "What is my name?", *options)
    assert (second["memory"]["source"], second["thread_id"]) == ("redis", thread_id)
    assert "Ada" in second["response"]
    layers.wait_stored(thread_id, 4)


def test_search_finds_an_exchange_when_it_is_accepted(cli: CommandLine, api: MemoryApi, user_id: str) -> None:
    """An exchange is found before it is drained, and another user finds nothing."""
    api.invoked("My dog is Rex.", "Noted.", thread_id=f"{user_id}-0", user_id=user_id)
    api.invoked("My cat is Tom.", "Noted.", thread_id=f"{user_id}-1", user_id=user_id)
    found = cli.json("search", "what is the dog called", "--user", user_id, "--limit", "1")
    assert [item["user_message"] for item in found["items"]] == ["My dog is Rex."]
    assert found["degraded"] == []
    text = cli.run("search", "rex", "--user", user_id).stdout
    assert f" {user_id}-0\nMy dog is Rex.\n  user: My dog is Rex.\n  assistant: Noted.\n" in text
    assert cli.run("search", "rex", "--user", f"{user_id}_other", code=1).stdout == "Nothing found.\n"


def test_tail_prints_messages_as_they_are_accepted(cli: CommandLine, api: MemoryApi, thread_id: str) -> None:
    """Existing messages are printed first. Then each new message is printed once, in order."""
    api.invoked("q0", "a0", thread_id=thread_id)
    command = cli.command("tail", thread_id, "--json", "--interval", "0.2")
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=cli.environment(), encoding="utf-8") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        for number in range(1, 6):
            api.invoked(f"q{number}", f"a{number}", thread_id=thread_id)
        lines += [json.loads(process.stdout.readline()) for _ in range(10)]
        process.terminate()
    assert [line["content"] for line in lines] == [f"{role}{number}" for number in range(6) for role in "qa"]
    assert {(line["kind"], line["thread_id"]) for line in lines} == {("message", thread_id)}


def test_tail_follows_a_user(cli: CommandLine, api: MemoryApi, layers: Layers, user_id: str) -> None:
    """The messages of all of a user's threads are printed, also those of a new thread."""
    api.invoked("old", "a", thread_id=f"{user_id}-0", user_id=user_id)
    layers.wait_stored(f"{user_id}-0", 2)
    command = cli.command("tail", "--user", user_id, "--json", "--interval", "0.2")
    with subprocess.Popen(
        command, env=cli.environment(), encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "Following" in process.stderr.readline()
        for number in (0, 1, 0):
            api.invoked(f"new {number}", "a", thread_id=f"{user_id}-{number}", user_id=user_id)
        lines = [json.loads(process.stdout.readline()) for _ in range(6)]
        process.terminate()
    shown = sorted((line["thread_id"], line["content"]) for line in lines if line["role"] == "user")
    first, second = f"{user_id}-0", f"{user_id}-1"
    assert shown == [(first, "new 0"), (first, "new 0"), (second, "new 1")]


def _messages(cli: CommandLine, thread_id: str) -> list[dict[str, Any]]:
    return [line for line in cli.lines("threads", "export", thread_id) if line["kind"] == "message"]


def test_an_import_keeps_dates_and_order_and_can_be_repeated(
    cli: CommandLine, layers: Layers, thread_id: str, user_id: str, tmp_path: Path
) -> None:
    """Imported messages have their dates and the file's order. A second import changes nothing."""
    time = "2024-05-01T10:00:00Z"
    records = [
        {"thread_id": thread_id, "user_id": user_id, "role": role, "content": f"{role} {number}", "created_at": time}
        for number in range(20)
        for role in ("user", "assistant")
    ]
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    for _ in range(2):
        assert cli.json("import", str(file), "--yes")["stored"] == 20
        layers.wait_stored(thread_id, 40)
    messages = _messages(cli, thread_id)
    assert [message["content"] for message in messages] == [record["content"] for record in records]
    assert {message["created_at"] for message in messages} == {"2024-05-01T10:00:00.000000Z"}
    (thread,) = cli.json("threads", "list", "--user", user_id)["items"]
    assert (thread["message_count"], thread["created_at"]) == (40, "2024-05-01T10:00:00.000000Z")


def _without_time(message: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in message.items() if name != "created_at"}


def test_an_export_can_be_imported(
    cli: CommandLine, api: MemoryApi, layers: Layers, queues: Queues, user_id: str, tmp_path: Path
) -> None:
    """A user is exported, deleted and imported. Threads, messages, documents and preferences are the same as before."""
    threads = [f"{user_id}-{number}" for number in range(2)]
    api.put_preferences(user_id, {"tone": "brief"})
    for thread_id in threads:
        for number in range(3):
            fields = {"document_ids": ["a.pdf"], "metadata": {"number": number}}
            api.invoked(f"q{number}", f"a{number}", thread_id=thread_id, user_id=user_id, **fields)
        layers.wait_stored(thread_id, 6)
    queues.wait_empty()
    file = tmp_path / "ada.ndjson"
    cli.run("users", "export", user_id, "--output", str(file))
    before = {thread_id: _messages(cli, thread_id) for thread_id in threads}
    cli.run("users", "forget", user_id, "--yes")
    assert cli.json("import", str(file), "--yes", "--rate", "200")["stored"] == 6
    for thread_id in threads:
        layers.wait_stored(thread_id, 6)
        after = _messages(cli, thread_id)
        assert [_without_time(message) for message in after] == [_without_time(each) for each in before[thread_id]]
        for old, new in zip(before[thread_id], after, strict=True):
            # The import takes the time from the id, whose millisecond can differ from the exported time.
            assert abs(datetime.fromisoformat(old["created_at"]) - datetime.fromisoformat(new["created_at"])) < _MOMENT
        assert cli.json("threads", "show", thread_id)["document_ids"] == ["a.pdf"]
    assert cli.json("prefs", "get", user_id)["preferences"] == {"tone": "brief"}


_COMMANDS = [
    "threads list --user {user}",
    "threads show {thread}",
    "threads delete {thread}",
    "users show {user}",
    "users forget {user}",
    "prefs get {user}",
    "queue status",
    "dlq list",
    "migrate status",
    "doctor",
    "verify",
    "smoke",
    "chat Hello --thread {thread}",
    "import chats.jsonl",
    "open --print",
]


_WITH_TABLES = {
    *(words for words in _COMMANDS if words.startswith(("users", "prefs", "queue", "doctor", "smoke", "dlq"))),
    "threads list --user {user}",
    "threads delete {thread}",
}


@pytest.fixture
def dead_letter(cli: CommandLine, aws: Aws, deployment: Deployment) -> Iterator[None]:
    """Send a message to the dead-letter queue."""
    aws.sqs.send_message(QueueUrl=deployment.dlq_url, MessageBody='{"thread_id": "a thread of a dead letter"}')
    yield
    cli.run("dlq", "purge", "--yes")


@pytest.mark.usefixtures("dead_letter")
@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("words", _COMMANDS)
def test_output_fits_the_terminal(
    cli: CommandLine, api: MemoryApi, layers: Layers, tmp_path: Path, words: str, columns: int
) -> None:
    """At 80 and at 60 columns, no line of a table is longer than the terminal, and no id is broken."""
    thread_id, user_id = str(uuid4()), str(uuid4())
    title = "A title that is longer than most titles are, so that it does not fit beside the id"
    api.invoked(title, "a", thread_id=thread_id, user_id=user_id)
    api.put_preferences(user_id, {"tone": "as brief as possible, but with examples and in complete sentences please"})
    layers.wait_stored(thread_id, 2)
    (tmp_path / "chats.jsonl").write_text(
        '{"thread_id": "t", "role": "user", "content": "x", "created_at": "2024-05-01T10:00:00Z"}\n'
    )
    command = cli.command(*words.format(user=user_id, thread=thread_id).split())
    environment = {**cli.environment(), "PAGER": "cat"}
    run = run_on_terminal(command, environment, columns=columns, directory=tmp_path)
    shown = "\n".join(line.rstrip() for line in run.text.splitlines())
    assert run.code in {0, 1}, shown
    assert "Traceback" not in shown
    if words in _WITH_TABLES:
        # The terminal itself wraps the sentences below a table. Only the lines of tables are checked.
        tables = [line for line in shown.splitlines() if re.search(r"\S {2,}\S", line)]
        assert max(map(cell_len, tables)) <= columns, shown
    if words.startswith("threads"):
        assert thread_id in shown
