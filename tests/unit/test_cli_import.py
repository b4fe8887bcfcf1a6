"""`hybrid-memory import`: formats, pairing, ids and errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.importing.plan import Format, Ready, read_parts
from cli.importing.records import Defaults, ExchangeIdentities, ImportedExchange, InvalidRecordError, NotImported
from cli.main import app
from shared.ids import is_time_ordered, order_key
from tests.support.fake_api import problem, thread, use_fake_api

TIME = "2024-05-01T10:00:00Z"
Texts = tuple[str, str]


def _write(directory: Path, *lines: object) -> Path:
    file = directory / "chats"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def _parts(file: Path, file_format: str = "jsonl", **defaults: str) -> list[Any]:
    return list(read_parts(file, Format(file_format), Defaults(**defaults)))


def _texts(parts: list[Any]) -> list[Texts]:
    return [(part.exchange.user_message, part.exchange.assistant_message) for part in parts if isinstance(part, Ready)]


def _problems(parts: list[Any]) -> list[str]:
    return [str(part) for part in parts if isinstance(part, InvalidRecordError)]


def _message(role: str, content: object, thread_id: str = "t", **fields: object) -> dict[str, object]:
    return {"thread_id": thread_id, "role": role, "content": content, "created_at": TIME, **fields}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("ua", [("u0", "a1")]),
        ("uaua", [("u0", "a1"), ("u2", "a3")]),
        ("u", [("u0", "")]),
        ("a", [("", "a0")]),
        ("auau", [("", "a0"), ("u1", "a2"), ("u3", "")]),
        ("uuaa", [("u0", ""), ("u1", "a2"), ("", "a3")]),
        ("sua", [("u1", "a2")]),
        ("utta", [("u0", "a3")]),
    ],
)
def test_roles_are_paired(roles: str, expected: list[Texts], tmp_path: Path) -> None:
    """A user's message and the next answer are one exchange.

    A message without a counterpart becomes an exchange whose other text is empty.
    """
    names = {"u": "user", "a": "assistant", "s": "system", "t": "tool"}
    lines = [_message(names[role], f"{role}{number}") for number, role in enumerate(roles)]
    parts = _parts(_write(tmp_path, *lines))
    assert _texts(parts) == expected
    others = [each for part in parts for each in (part.exchange.metadata or {}).get("imported_messages", [])]
    assert [each["content"] for each in others] == [
        f"{role}{number}" for number, role in enumerate(roles) if role in "st"
    ]


def test_a_thread_with_only_system_messages_is_reported(tmp_path: Path) -> None:
    """If a message belongs to no exchange, the command reports it."""
    assert _problems(_parts(_write(tmp_path, _message("system", "s")))) == [
        "chats:1: a message of the role system has no message of the user or the assistant after it"
    ]


def test_threads_can_be_interleaved(tmp_path: Path) -> None:
    """The messages of several threads can alternate."""
    lines = [_message("user", f"{thread}", thread) for thread in "ab"]
    lines += [_message("assistant", f"{thread}!", thread) for thread in "ba"]
    parts = _parts(_write(tmp_path, *lines))
    assert sorted(_texts(parts)) == [("a", "a!"), ("b", "b!")]


def test_invalid_lines_have_their_places(tmp_path: Path) -> None:
    """Each invalid line is reported with its file, line and reason. The other lines are read."""
    lines: list[object] = [
        _message("user", "fine"),
        "{not json",
        "",
        [1],
        {"role": "user", "content": "x", "created_at": TIME},
        _message("user", 7),
        _message("user", "x", created_at="yesterday"),
        _message("user", "x", thread_id="new", created_at=None),
        _message("user", "x", exchange_id="7"),
        _message("user", "x", metadata=[1]),
        {"user_message": "no\u0000", "assistant_message": "", "thread_id": "t", "created_at": TIME},
        {"user_message": "\ud800", "assistant_message": "", "thread_id": "t", "created_at": TIME},
        {"user_message": "x" * 200_001, "assistant_message": "", "thread_id": "t", "created_at": TIME},
        {"user_message": "x", "assistant_message": "", "thread_id": "t\n", "created_at": TIME},
        {"user_message": "x", "assistant_message": "", "thread_id": "t", "user_id": "u" * 300, "created_at": TIME},
        {"user_message": "x", "assistant_message": "", "thread_id": "t", "created_at": "2999-01-01T00:00:00Z"},
        {"user_message": "x", "assistant_message": "", "thread_id": "t", "created_at": "1969-01-01T00:00:00Z"},
        {"user_message": "x", "assistant_message": 1, "thread_id": "t", "created_at": TIME},
        "[" * 100_000,
    ]
    file = _write(tmp_path, *lines)
    file.write_bytes(file.read_bytes() + b'{"thread_id": "\xff"}\n')
    problems = _problems(_parts(file))
    assert [problem.partition(":")[2].partition(":")[0] for problem in problems] == [
        str(number) for number in (2, *range(4, 21))
    ]
    for number, words in {
        2: "is not JSON",
        4: "not a JSON object",
        5: "thread_id is missing",
        7: "created_at is not a time",
        8: "created_at is missing",
        11: "NUL",
        12: "surrogates",
        13: "200001 characters",
        14: "printable",
        15: "1 to 255",
        16: "in the past",
        20: "is not UTF-8",
    }.items():
        assert words in next(problem for problem in problems if problem.startswith(f"chats:{number}:"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00+00:00"),
        ("2024-05-01 10:00:00", "2024-05-01T10:00:00+00:00"),
        (1_714_557_600, "2024-05-01T10:00:00+00:00"),
        (1_714_557_600_000, "2024-05-01T10:00:00+00:00"),
        (1_714_557_600.5, "2024-05-01T10:00:00.500000+00:00"),
    ],
)
def test_times_have_several_formats(value: object, expected: str, tmp_path: Path) -> None:
    """A time is ISO 8601, by default in UTC, or a Unix time in seconds or milliseconds."""
    (part,) = _parts(_write(tmp_path, _message("user", "x", created_at=value)))
    assert part.created_at.isoformat() == expected


def test_ids_are_the_same_in_every_import(tmp_path: Path) -> None:
    """If an exchange is imported again, even from a longer export, its id is the same as before.

    Exchanges with equal texts have different ids.
    """
    lines = [_message("user", "again"), _message("assistant", "yes")] * 3
    ids = [part.exchange_id for part in _parts(_write(tmp_path, *lines))]
    assert len(set(ids)) == 3
    assert ids == [part.exchange_id for part in _parts(_write(tmp_path, *lines, _message("user", "more")))][:3]
    other = [part.exchange_id for part in _parts(_write(tmp_path, *(line | {"thread_id": "o"} for line in lines)))]
    assert not set(ids) & set(other)


def test_exchanges_of_one_millisecond_keep_their_order() -> None:
    """The ids are UUIDv7s of the exchange's time and increase, because the API sorts equal times by the ids."""
    identities = ExchangeIdentities("jsonl")
    time = datetime(2024, 5, 1, 10, 0, 0, 123_456, UTC)
    exchanges = [ImportedExchange("f:1", "t", None, f"q{number}", "a", time) for number in range(300)]
    identified = [identities.identify(each) for each in exchanges]
    ids = [exchange_id for exchange_id, _ in identified]
    assert all(map(is_time_ordered, ids))
    assert ids == sorted(ids)
    assert {created_at for _, created_at in identified} == {time}
    assert order_key(ids[0], time).int >> 80 == int(time.timestamp() * 1000)


def test_an_import_has_the_ids_of_the_export(tmp_path: Path) -> None:
    """Exported messages keep their exchange's id. If it is a UUIDv7, the import's time gets its millisecond."""
    known_id = UUID(int=(int(datetime(2024, 5, 1, 10, tzinfo=UTC).timestamp() * 1000) + 7) << 80 | 7 << 76 | 1 << 63)
    fields: dict[str, Any] = {"exchange_id": str(known_id), "metadata": {"a": 1}}
    lines = [
        {"kind": "preferences", "user_id": "ada", "preferences": {"tone": "brief"}},
        {"kind": "thread", "thread_id": "t", "user_id": "ada", "document_ids": ["d"], "title": "x"},
        {"kind": "message", **_message("user", "q", **fields)},
        {"kind": "message", **_message("assistant", "", exchange_id=str(known_id))},
        {"kind": "message", **_message("user", "lone", exchange_id=str(UUID(int=1)))},
    ]
    _, _, first, second = _parts(_write(tmp_path, *lines))
    assert (first.exchange_id, second.exchange_id) == (known_id, UUID(int=1))
    assert first.created_at == datetime(2024, 5, 1, 10, 0, 0, 7000, UTC)
    assert (first.exchange.user_id, first.exchange.metadata) == ("ada", {"a": 1})
    assert _texts([first, second]) == [("q", ""), ("lone", "")]


ZEP = {
    "thread_id": "z",
    "user_id": "ada",
    "messages": [
        {"uuid": "2", "role": "assistant", "content": "Hello Ada.", "created_at": "2024-05-01T10:00:01Z"},
        {"uuid": "1", "role": "user", "name": "Ada", "content": "Hi", "created_at": "2024-05-01T10:00:00Z"},
    ],
    "row_count": 2,
    "total_count": 2,
}
ZEP_SESSION = {
    "session_id": "s",
    "messages": [
        {"role_type": "user", "role": "Ada", "content": "Hi", "created_at": TIME, "metadata": {"k": 1}},
        {"role_type": "assistant", "role": "bot", "content": "Hello", "created_at": TIME},
    ],
    "summary": {"content": "They greet."},
}


def test_zep_threads_are_read(tmp_path: Path) -> None:
    """Threads of Zep are read in any order of their messages, with the senders' names.

    A summary is reported and not imported.
    """
    parts = _parts(_write(tmp_path, [ZEP, ZEP_SESSION]), "zep")
    first, second = (part for part in parts if isinstance(part, Ready))
    (summary,) = (part for part in parts if isinstance(part, NotImported))
    assert _texts([first, second]) == [("Hi", "Hello Ada."), ("Hi", "Hello")]
    assert (first.exchange.thread_id, first.exchange.user_id, first.exchange.metadata) == ("z", "ada", {"name": "Ada"})
    assert second.exchange.metadata == {"name": "Ada", "k": 1, "assistant": {"name": "bot"}}
    assert "summary of s" in summary.reason


def test_a_zep_response_needs_a_thread(tmp_path: Path) -> None:
    """A response of Zep's API does not contain the thread's id, so the user gives the id with `--thread`."""
    file = _write(tmp_path, {name: value for name, value in ZEP.items() if name != "thread_id"})
    assert "give --thread" in _problems(_parts(file, "zep"))[0]
    (part,) = _parts(file, "zep", thread_id="given")
    assert part.exchange.thread_id == "given"


def test_working_memory_is_read(tmp_path: Path) -> None:
    """Each line is a session of Redis Agent Memory Server. Its messages are read. Its other parts are reported."""
    session = {
        "session_id": "s",
        "user_id": "ada",
        "messages": [
            {"id": "1", "role": "user", "content": "Hi", "created_at": TIME, "persisted_at": None},
            {"id": "2", "role": "assistant", "content": "Hello", "created_at": "2024-05-01T10:00:01Z"},
        ],
        "context": "They greet.",
        "memories": [{"id": "m", "text": "Ada greets"}],
        "data": {},
    }
    parts = _parts(_write(tmp_path, session, {**session, "session_id": "s2", "context": None, "memories": []}), "ams")
    assert _texts(parts) == [("Hi", "Hello")] * 2
    assert [part.reason for part in parts if isinstance(part, NotImported)] == [
        "context of s is no message",
        "memories of s is no message",
    ]


def test_mem0_histories_are_read(tmp_path: Path) -> None:
    """If mem0 made several statements from one turn, the turn is imported once.

    A statement without the messages of its turn is reported.
    """
    turn = [{"role": "user", "content": "I eat no nuts"}, {"role": "assistant", "content": "Noted"}]
    entry = {"id": "h", "memory_id": "m", "input": turn, "event": "ADD", "user_id": "alex", "new_memory": "No nuts"}
    entries = [
        {**entry, "created_at": "2024-05-01T10:00:02Z"},
        {**entry, "memory_id": "m2", "created_at": "2024-05-01T10:00:00Z"},
        {**entry, "metadata": {"run_id": "r"}, "created_at": "2024-05-01T10:00:01Z"},
        {"id": "m", "memory": "No nuts", "user_id": "alex", "created_at": TIME},
    ]
    parts = _parts(_write(tmp_path, {"results": entries}), "mem0")
    ready = [part for part in parts if isinstance(part, Ready)]
    assert _texts(ready) == [("I eat no nuts", "Noted")] * 2
    assert sorted(part.exchange.thread_id for part in ready) == ["mem0-alex", "r"]
    assert min(part.created_at for part in ready) == datetime(2024, 5, 1, 10, tzinfo=UTC)
    (statement,) = (part for part in parts if isinstance(part, NotImported))
    assert "export its history" in statement.reason


def test_mem0s_table_of_messages_is_read(tmp_path: Path) -> None:
    """In the table of mem0's open-source version, the scope of each row names the user and the run."""
    row = {"session_scope": "run_id=r%261&user_id=alex", "created_at": "2024-05-01T10:00:00.000001+00:00", "name": None}
    rows = [{**row, "role": "user", "content": "Hi"}, {**row, "role": "assistant", "content": "Hello"}]
    (part,) = _parts(_write(tmp_path, rows), "mem0")
    assert (part.exchange.thread_id, part.exchange.user_id) == ("r&1", "alex")
    assert _texts([part]) == [("Hi", "Hello")]


class FakeApi:
    """Stores imported exchanges."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.preferences = {"tone": "long"}
        self.answers: dict[str, httpx.Response] = {}
        self.title: str | None = None

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if request.url.path.endswith("/t"):
            if self.title is None:
                return problem(404)
            if request.method == "PATCH":
                self.title = json.loads(request.content)["title"]
            return httpx.Response(200, json={**thread("t"), "title": self.title})
        if request.url.path.endswith("/preferences"):
            if request.method == "PATCH":
                self.preferences |= json.loads(request.content)
            return httpx.Response(200, json=self.preferences)
        body = json.loads(request.content)
        if body["user_message"] in self.answers:
            return self.answers[body["user_message"]]
        self.bodies.append(body)
        return httpx.Response(202, json={"exchange_id": body["exchange_id"], "durability": "queue", "cached": True})


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Let the command use an API that stores exchanges."""
    created = FakeApi()
    use_fake_api(monkeypatch, created.handle)
    return created


def _import(file: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["import", str(file), *options])


def test_a_preview_stores_nothing(api: FakeApi, tmp_path: Path) -> None:
    """Without `--yes`, the command only counts what the file contains."""
    file = _write(tmp_path, _message("user", "q", user_id="ada"), _message("assistant", "a"), _message("user", "lone"))
    result = _import(file)
    assert (result.exit_code, api.bodies) == (0, [])
    assert "Repeat with --yes to do it." in result.stdout
    assert "from 2024-05-01T10:00:00.000Z to 2024-05-01T10:00:00.000Z" in result.stdout
    answer = json.loads(_import(file, "--json").stdout)
    counts = {name: answer[name] for name in ("preview", "threads", "users", "exchanges", "incomplete", "stored")}
    assert counts == {"preview": True, "threads": 1, "users": 1, "exchanges": 2, "incomplete": 1, "stored": 0}


def test_exchanges_are_stored_with_their_dates(api: FakeApi, tmp_path: Path) -> None:
    """Each exchange is sent with its date, user and documents. Only missing preferences are set."""
    lines = [
        {"kind": "preferences", "user_id": "ada", "preferences": {"tone": "brief", "city": "Paris"}},
        {"kind": "thread", "thread_id": "t", "user_id": "ada", "document_ids": ["d"]},
        *(_message(role, role) for role in ("user", "assistant", "user")),
    ]
    file = _write(tmp_path, *lines)
    result = _import(file, "--yes")
    assert (result.exit_code, result.stdout) == (0, "Stored 2 exchanges of 1 thread, and 1 preference.\n")
    assert api.preferences == {"tone": "long", "city": "Paris"}
    first, second = api.bodies
    assert first | {"exchange_id": 0} == {
        "thread_id": "t",
        "user_id": "ada",
        "user_message": "user",
        "assistant_message": "assistant",
        "document_ids": ["d"],
        "created_at": "2024-05-01T10:00:00+00:00",
        "exchange_id": 0,
    }
    assert (second["assistant_message"], second["document_ids"]) == ("", [])
    assert _import(file, "--yes", "--from", "2").exit_code == 0
    assert api.bodies[2:] == [second]


@pytest.mark.parametrize(
    ("exported", "before", "after"),
    [
        ("Mine", "first one", "Mine"),
        ("Mine", "Theirs", "Theirs"),
        ("first one", "first one", "first one"),
        ("", "first one", "first one"),
    ],
)
def test_a_thread_gets_its_title_unless_it_has_been_renamed(
    exported: str, before: str, after: str, api: FakeApi, tmp_path: Path
) -> None:
    """A title that a user gave is set again. A title that a user gave in the new deployment stays."""
    api.title = before
    line = {"kind": "thread", "thread_id": "t", "user_id": "ada", "document_ids": [], "title": exported}
    file = _write(tmp_path, line, _message("user", "first\none"), _message("assistant", "a"), _message("user", "more"))
    result = _import(file, "--yes")
    assert (result.exit_code, api.title) == (0, after)
    assert ("Renamed 1 thread as in the file.\n" in result.stdout) == (before != after)
    assert json.loads(_import(file, "--yes", "--json").stdout)["titles_set"] == 0


def test_a_title_that_cannot_be_set_is_reported(api: FakeApi, tmp_path: Path) -> None:
    """If the thread does not exist, its title is reported with the line of the file."""
    line = {"kind": "thread", "thread_id": "t", "user_id": "ada", "document_ids": [], "title": "Mine"}
    result = _import(_write(tmp_path, line, _message("user", "q")), "--yes")
    assert (result.exit_code, len(api.bodies)) == (1, 1)
    assert "chats:1: the API refused it" in result.stderr


def test_an_invalid_file_changes_nothing(api: FakeApi, tmp_path: Path) -> None:
    """If a record is invalid, nothing is stored unless the user skips invalid records."""
    file = _write(tmp_path, _message("user", "q"), "{", *["[]"] * 30)
    result = _import(file, "--yes")
    assert (result.exit_code, api.bodies) == (1, [])
    assert "chats:2: is not JSON" in result.stderr
    assert "Error: 31 records are invalid." in result.stderr
    assert "11 more" in result.stderr
    assert len(json.loads(_import(file, "--json").stdout)["invalid"]) == 31
    result = _import(file, "--yes", "--skip-invalid")
    assert (result.exit_code, len(api.bodies)) == (0, 1)
    assert "chats:2: is not JSON" in result.stderr


def test_a_refused_exchange_stops_the_import(api: FakeApi, tmp_path: Path) -> None:
    """If the API refuses an exchange, the command reports its file and line, and stops.

    With `--skip-invalid`, the command does not stop and imports the other exchanges.
    """
    api.answers["bad"] = problem(422, detail="created_at: no", errors=[])
    api.answers["deleted"] = httpx.Response(202, json={"exchange_id": None, "durability": "none", "cached": False})
    file = _write(tmp_path, *(_message("user", text) for text in ("one", "bad", "deleted", "two")))
    result = _import(file, "--yes")
    assert (result.exit_code, len(api.bodies)) == (1, 1)
    assert "Stopped after 1 of 4 exchanges. Continue with --from 2" in result.stderr
    assert "chats:2: the API refused it" in result.stderr
    result = _import(file, "--yes", "--skip-invalid", "--json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["stored"]) == (1, 2)
    assert [each["position"] for each in answer["refused"]] == ["chats:2", "chats:3"]


def test_an_outage_of_all_stores_stops_the_import(api: FakeApi, tmp_path: Path) -> None:
    """If no store accepts an exchange, the command stops, even with `--skip-invalid`."""
    fields = {"exchange_id": None, "durability": "none", "cached": False, "degraded": ["redis", "postgres", "queue"]}
    api.answers["two"] = httpx.Response(202, json=fields)
    file = _write(tmp_path, *(_message("user", text) for text in ("one", "two", "three")))
    result = _import(file, "--yes", "--skip-invalid")
    assert (result.exit_code, len(api.bodies)) == (1, 1)
    assert "chats:2: it is not stored, because no store responded" in result.stderr
    assert "Continue with --from 2" in result.stderr


def test_an_outage_says_where_to_continue(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the API does not respond, the exit code is 3. The message has the number of the next exchange to import."""
    monkeypatch.setattr("hybrid_memory_client._sync_sender.time.sleep", lambda _: None)
    api.answers["two"] = problem(503)
    result = _import(_write(tmp_path, _message("user", "one"), _message("user", "two")), "--yes")
    assert result.exit_code == 3
    assert "Stopped after 1 of 2 exchanges. Continue with --from 2" in result.stderr


@pytest.mark.usefixtures("api")
def test_the_rate_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command waits between two exchanges."""
    slept: list[float] = []
    monkeypatch.setattr("cli.importing.store.time.sleep", slept.append)
    file = _write(tmp_path, *(_message("user", str(number)) for number in range(3)))
    assert _import(file, "--yes", "--rate", "0.5").exit_code == 0
    assert len(slept) == 2
    assert timedelta(seconds=1) < timedelta(seconds=slept[0]) <= timedelta(seconds=2)


@pytest.mark.parametrize(("name", "words"), [("missing", "No such file"), (".", "no regular file")])
def test_a_file_that_cannot_be_read_is_a_usage_error(name: str, words: str, tmp_path: Path) -> None:
    """A missing file and a directory have exit code 2."""
    result = _import(tmp_path / name, "--api-url", "https://api.example")
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_an_empty_file_has_no_conversations(tmp_path: Path) -> None:
    """An empty file is no error."""
    result = _import(_write(tmp_path))
    assert (result.exit_code, "The file has no conversations." in result.stdout) == (0, True)
