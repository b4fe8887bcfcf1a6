"""The command line works with the deployed API: threads, users and preferences."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from infra.local.client import StackProcess
from shared.settings import DatabaseSettings
from shared.stores.postgres.archive import PostgresArchive
from shared.stores.postgres.connection import PostgresConnection
from tests.e2e.command_line import SCRIPT, CommandLine
from tests.e2e.deployment import Aws, Deployment
from tests.e2e.memory_api import MemoryApi
from tests.e2e.queues import Queues
from tests.e2e.stores import Layers
from tests.e2e.waiting import eventually
from tests.support.exchanges import exchanges
from tests.support.terminal import run_on_terminal


@pytest.fixture
def cli(deployment: Deployment, tmp_path: Path) -> CommandLine:
    """Return the command line."""
    return CommandLine(deployment, tmp_path)


ID_SUFFIXES = ["a/b/messages", "...", "Zoë-名前-🧠 ü", "100%2F#?&", "[red]x[/red]"]


@pytest.mark.parametrize("suffix", ID_SUFFIXES)
def test_thread_commands_work_with_any_id(
    cli: CommandLine, api: MemoryApi, layers: Layers, user_id: str, suffix: str
) -> None:
    """`threads list`, `show`, `export` and `delete` work with any thread id.

    A preview changes nothing, and a missing thread has exit code 2.
    """
    thread_id = f"{uuid4().hex}{suffix}"
    metadata = {"tool": "\x1b[1m", "größe": [1]}
    fields = {"document_ids": ["a.pdf"], "metadata": metadata}
    api.invoked("Grüße\n\x1b[31m", "🧠", thread_id=thread_id, user_id=user_id, **fields)
    layers.wait_stored(thread_id, 2)

    listed_threads = cli.json("threads", "list", "--user", user_id)
    assert [item["thread_id"] for item in listed_threads["items"]] == [thread_id]
    thread = cli.json("threads", "show", thread_id)
    assert (thread["document_ids"], [m["content"] for m in thread["messages"]]) == (
        ["a.pdf"],
        ["Grüße\n\x1b[31m", "🧠"],
    )
    shown_text = cli.run("threads", "show", thread_id).stdout
    assert f"thread_id: {thread_id}\n" in shown_text
    assert "\x1b" not in shown_text
    assert '"größe": [1]' in shown_text
    lines = cli.lines("threads", "export", thread_id)
    assert lines[1]["metadata"] == metadata
    assert [line["kind"] for line in lines] == ["thread", "message", "message"]
    assert {line["thread_id"] for line in lines} == {thread_id}
    assert cli.json("threads", "delete", thread_id) | {"items": 0, "sources": 0} == {
        "preview": True,
        "items": 0,
        "deleted": [],
        "sources": 0,
    }
    assert "Nothing was changed." in cli.run("threads", "delete", thread_id).stdout
    assert len(layers.stored(thread_id)) == 2
    assert cli.json("threads", "delete", thread_id, "--yes")["deleted"] == [thread_id]
    assert layers.stored(thread_id) == []
    assert "There is no such thread." in cli.run("threads", "show", thread_id, code=2).stderr


def test_no_thread_is_deleted_if_one_of_them_does_not_exist(
    cli: CommandLine, api: MemoryApi, layers: Layers, thread_id: str
) -> None:
    """The command deletes no thread if one of the named threads does not exist."""
    api.invoked("q", "a", thread_id=thread_id)
    layers.wait_stored(thread_id, 2)
    cli.run("threads", "delete", thread_id, "nothing-of-this-name", "--yes", code=2)
    assert len(layers.stored(thread_id)) == 2


def test_limit_and_all_set_the_number_of_listed_threads(cli: CommandLine, deployment: Deployment, user_id: str) -> None:
    """`--limit` is the maximum number of threads. `--all` reads all pages."""
    _store(deployment, [e for number in range(230) for e in exchanges(1, f"{user_id}-{number}", user_id)])
    first_page = cli.json("threads", "list", "--user", user_id, "--limit", "3")
    assert (len(first_page["items"]), first_page["is_more"]) == (3, True)
    all_pages = cli.json("threads", "list", "--user", user_id, "--all")
    assert (len({item["thread_id"] for item in all_pages["items"]}), all_pages["is_more"]) == (230, False)
    assert "More exist: use --all" in cli.run("threads", "list", "--user", user_id).stdout
    user = cli.json("users", "show", user_id)
    assert (user["threads"], user["messages"], len(user["newest_threads"]), user["erasing"]) == (230, 460, 10, 0)


def _store(deployment: Deployment, created: list[Any]) -> None:
    connection = PostgresConnection(DatabaseSettings(url=deployment.database_url, timeout_ms=60_000))
    PostgresArchive(connection).store(created)
    connection.close()


def test_an_export_has_each_message_once_while_exchanges_are_added(
    cli: CommandLine, deployment: Deployment, api: MemoryApi, layers: Layers, thread_id: str, tmp_path: Path
) -> None:
    """Each message is exported exactly once, in order.

    A message that is added during the export is exported at most once.
    """
    created = exchanges(2_000, thread_id)
    _store(deployment, created)
    added: list[str] = []
    export_has_ended = threading.Event()

    def add_exchanges() -> None:
        while not export_has_ended.is_set():
            added.append(api.invoked(f"more {len(added)}", "yes", thread_id=thread_id)["exchange_id"])

    writer = threading.Thread(target=add_exchanges)
    writer.start()
    try:
        output = tmp_path / "thread.ndjson"
        summary = cli.json("threads", "export", thread_id, "--output", str(output))
    finally:
        export_has_ended.set()
        writer.join()

    lines = [json.loads(line) for line in output.read_bytes().splitlines()]
    messages = [line for line in lines if line["kind"] == "message"]
    ids = [(line["exchange_id"], line["role"]) for line in messages]
    assert len(ids) == len(set(ids)) == summary["messages"]
    assert ids[:4_000] == [(str(each.exchange_id), role) for each in created for role in ("user", "assistant")]
    assert {exchange_id for exchange_id, _ in ids[4_000:]} <= set(added)
    assert len(added) > 1
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["thread.ndjson"]
    layers.wait_stored(thread_id, 4_000 + 2 * len(added))


def test_an_interrupted_export_leaves_no_partial_file(
    cli: CommandLine, deployment: Deployment, thread_id: str, tmp_path: Path
) -> None:
    """Ctrl-C ends the export with a message and leaves no partial file."""
    _store(deployment, exchanges(2_000, thread_id))
    command = cli.command("threads", "export", thread_id, "--output", str(tmp_path / "file"))
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=cli.environment(), encoding="utf-8") as process:
        eventually(lambda: (part := tmp_path / "file.part").exists() and part.stat().st_size > 0)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    assert (process.returncode, errors) == (130, "Stopped.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_closed_pipe_ends_an_export_without_an_error_message(
    cli: CommandLine, deployment: Deployment, thread_id: str
) -> None:
    """A closed pipe ends the export with exit code 141 and without an error message."""
    _store(deployment, exchanges(1_000, thread_id))
    command = cli.command("threads", "export", thread_id)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=cli.environment(), **pipes) as process:  # type: ignore[call-overload]
        assert b'"kind": "thread"' in process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, b"")


def test_a_user_is_exported(cli: CommandLine, api: MemoryApi, layers: Layers, queues: Queues, user_id: str) -> None:
    """Preferences and every thread are exported. A file that cannot be written is a usage error."""
    api.put_preferences(user_id, {"tone": "brief"})
    threads = [f"{user_id}/{number}" for number in range(3)]
    for thread_id in threads:
        api.invoked("q", "a", thread_id=thread_id, user_id=user_id)
        layers.wait_stored(thread_id, 2)
    queues.wait_empty()  # a stored message may still be in the queue
    lines = cli.lines("users", "export", user_id)
    assert lines[0] == {"kind": "preferences", "user_id": user_id, "preferences": {"tone": "brief"}}
    assert {line["thread_id"] for line in lines if line["kind"] == "thread"} == set(threads)
    assert len([line for line in lines if line["kind"] == "message"]) == 6
    assert "cannot be written" in cli.run("users", "export", user_id, "-o", "no/such/file", code=2).stderr


def test_an_export_that_fails_leaves_no_file(cli: CommandLine, tmp_path: Path) -> None:
    """A failed export leaves no partial file and does not change an existing file."""
    existing_file = tmp_path / "kept"
    existing_file.write_text("before")
    cli.run("threads", "export", uuid4().hex, "--output", str(existing_file), code=2)
    assert existing_file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_forget_reports_each_store(
    cli: CommandLine, api: MemoryApi, layers: Layers, queues: Queues, user_id: str, thread_id: str
) -> None:
    """A preview reports the user's data in each store.

    `--yes` deletes the data and reports the counts before and after. Other users' data is unchanged.
    """
    other = uuid4().hex
    for owner, owned_thread in ((user_id, thread_id), (other, other)):
        api.invoked("q", "a", thread_id=owned_thread, user_id=owner, document_ids=["d"])
        api.put_preferences(owner, {"tone": "brief"})
        layers.wait_stored(owned_thread, 2)
    queues.wait_empty()
    counts_before = {"threads": 1, "messages": 2, "documents": 1, "preferences": 1, "erasing": 0}

    preview = cli.json("users", "forget", user_id)
    assert (preview["preview"], preview["stores"]["postgres"]) == (True, {"before": counts_before})
    assert len(layers.stored(thread_id)) == 2
    response = cli.json("users", "forget", user_id, "--yes")
    stores = response["stores"]
    assert stores["postgres"] == {"before": counts_before, "after": dict.fromkeys(counts_before, 0)}
    assert stores["redis"]["before"] == {"threads": 1, "messages": 2, "preferences": 1, "outbox": 0}
    assert set(stores["redis"]["after"].values()) == set(stores["api"]["after"].values()) == {0}
    assert response["is_left"] is False
    assert layers.stored(thread_id) == []
    assert layers.cached(thread_id) == []
    assert len(layers.stored(other)) == 2
    output = cli.run("users", "forget", other).stdout
    assert re.search("PostgreSQL +documents +1 +-", output)  # columns are as wide as their contents
    assert "Nothing was changed." in output


def test_dead_letters_of_a_deleted_user_are_reported(
    cli: CommandLine, aws: Aws, deployment: Deployment, stack: StackProcess | None, user_id: str
) -> None:
    """If a dead letter has a text of the user, the exit code is 1. The search does not change the queue."""
    (dead_letter,) = exchanges(1, uuid4().hex, user_id)
    cli.run("dlq", "purge", "--yes")
    aws.sqs.send_message(QueueUrl=deployment.dlq_url, MessageBody=dead_letter.to_wire())
    # Only the embedded emulator can show messages without receiving them.
    is_seen = stack is not None
    try:
        completed = cli.run("users", "forget", user_id, "--yes", code=1 if is_seen else 0)
        assert ("This user has 1 dead letters" in completed.stderr) is is_seen
        counts = cli.json("users", "forget", user_id)["stores"]["dlq"]["before"]
        assert counts == {"exchanges": 1 if is_seen else None, "depth": counts["depth"]}
        received = aws.sqs.receive_message(
            QueueUrl=deployment.dlq_url, VisibilityTimeout=0, AttributeNames=["ApproximateReceiveCount"]
        )
        assert {message["Attributes"]["ApproximateReceiveCount"] for message in received["Messages"]} == {"1"}
    finally:
        cli.run("dlq", "purge", "--yes")


def test_preferences_are_set_read_and_removed(cli: CommandLine, user_id: str) -> None:
    """The commands set some preferences, read one of them, and remove one of them after a preview."""
    assert cli.json("prefs", "set", user_id, "tone=brief", "formula=a=b", "empty=")["preferences"] == {
        "tone": "brief",
        "formula": "a=b",
        "empty": "",
    }
    assert cli.run("prefs", "get", user_id, "formula").stdout == "a=b\n"
    assert cli.json("prefs", "set", user_id, "--remove", "tone", "x=y") | {"sources": 0} == {
        "preview": True,
        "user_id": user_id,
        "preferences": {"formula": "a=b", "empty": "", "x": "y"},
        "sources": 0,
    }
    assert cli.json("prefs", "get", user_id)["preferences"].keys() == {"tone", "formula", "empty"}
    cli.run("prefs", "set", user_id, "--remove", "tone", "--yes")
    assert "has no preference tone" in cli.run("prefs", "get", user_id, "tone", code=2).stderr
    assert cli.json("prefs", "get", user_id)["preferences"] == {"formula": "a=b", "empty": ""}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["prefs", "set", "u"], "at least one"),
        (["prefs", "set", "u", "novalue"], "NAME=VALUE"),
        (["prefs", "set", "u", "a=1", "a=2"], "named twice"),
        (["threads", "show", ""], "1 to 255 characters"),
        (["threads", "show", "a\nb"], "printable characters"),
        (["threads", "delete"], "Missing argument"),
        (["threads", "list", "--user", "u", "--limit", "0"], "greater than or equal to 1"),
        (["threads", "list"], "Set --user ID"),
        (["users", "forget", "x" * 256], "1 to 255 characters"),
        (["openapi", "--output", "no/such/file"], "cannot be written"),
        (["nothing"], "No such command"),
        (["--api-url", "localhost:80", "threads", "show", "x"], "must start with http"),
        (["--token", "two words", "threads", "show", "x"], "one word"),
    ],
)
def test_wrong_usage_has_exit_code_2_and_a_message(cli: CommandLine, words: list[str], message: str) -> None:
    """A wrong command has exit code 2 and a message."""
    completed = cli.run(*words, code=2)
    assert message in completed.stderr
    assert completed.stdout == ""


def test_an_unknown_api_address_is_explained(cli: CommandLine) -> None:
    """If the API's address is unknown, the message lists every way to name the API."""
    completed = cli.run(command=[str(SCRIPT), "threads", "list", "--user", "u"], code=2)
    assert "--api-url or HYBRID_MEMORY_API_URL" in completed.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["threads", "list", "--user", "u"],
        ["threads", "export", "t"],
        ["threads", "delete", "t", "--yes"],
        ["users", "forget", "u", "--yes"],
        ["prefs", "set", "u", "a=b"],
        ["openapi"],
    ],
)
def test_commands_on_an_unreachable_api_have_exit_code_3(cli: CommandLine, words: list[str]) -> None:
    """The command has exit code 3, one message with the API's address, and no standard output."""
    completed = cli.run("--api-url", "http://127.0.0.1:1/local", *words, code=3)
    assert (completed.stdout, completed.stderr) == (
        "",
        "Error: The API cannot be reached at 127.0.0.1:1 (ConnectError).\n",
    )


def test_the_address_of_another_stage_is_a_usage_error(cli: CommandLine, deployment: Deployment) -> None:
    """The address of another stage or another server is a usage error. The message has the status of the response."""
    wrong_url = f"{deployment.api_url}/elsewhere"
    assert "404" in cli.run("--api-url", wrong_url, "threads", "show", "x", code=2).stderr


def test_openapi_prints_the_apis_description(cli: CommandLine, api: MemoryApi, tmp_path: Path) -> None:
    """`openapi` prints the API's own description."""
    assert cli.json("openapi") == api.call("GET", "/openapi.json")
    assert cli.json("openapi", "--output", "openapi.json")["output"] == "openapi.json"
    assert json.loads((tmp_path / "openapi.json").read_text())["openapi"].startswith("3.")


@pytest.mark.parametrize("columns", ["0", "1", "7", "-3", "x", "99999"])
@pytest.mark.parametrize("words", [["doctor"], ["threads", "list", "--user", "{user}"], ["threads", "list", "--help"]])
def test_commands_work_on_a_terminal_of_any_width(
    cli: CommandLine, api: MemoryApi, layers: Layers, user_id: str, words: list[str], columns: str
) -> None:
    """On a terminal of any width, a command prints something and has its usual exit code."""
    api.invoked("A title that is longer than most", "a", thread_id=user_id, user_id=user_id)
    layers.wait_stored(user_id, 2)
    words = [word.format(user=user_id) for word in words]
    environment = cli.environment(COLUMNS=columns, PAGER="cat")
    run = run_on_terminal(cli.command(*words), environment, columns=None)
    assert run.code in ({0, 1} if words == ["doctor"] else {0}), run.raw
    assert "Traceback" not in run.raw
    assert "\ufffd" not in run.raw, "the output is not UTF-8"
    assert len(run.raw) > 50
