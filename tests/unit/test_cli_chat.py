"""`hybrid-memory chat` and `open`."""

from __future__ import annotations

import json
import stat
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli.chat import format_badge
from cli.main import app
from hybrid_memory_client.models import MemoryReport
from tests.support.fake_api import API_URL, problem, use_fake_api
from tests.support.terminal import run_on_terminal

ROOT = Path(__file__).parents[2]
MEMORY = {"source": "redis", "degraded": [], "durability": "queue", "cached": True}


def _answer(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "response": f"**You** said {body['prompt']}",
        "thread_id": body["thread_id"],
        "exchange_id": None,
        "memory": MEMORY,
    }


@pytest.mark.parametrize(
    ("words", "typed", "prompt"),
    [(["Hello"], "", "Hello"), ([], "Hello\nworld\n", "Hello\nworld"), (["a"], "ignored", "a")],
)
def test_one_message_is_sent(words: list[str], typed: str, prompt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument or a piped input is one message. Only the answer is on standard output."""
    bodies: list[dict[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(200, json=_answer(bodies[-1]))

    use_fake_api(monkeypatch, handle)
    result = CliRunner().invoke(app, ["chat", *words, "--user", "ada"], input=typed)
    assert (result.exit_code, result.stdout) == (0, f"**You** said {prompt}\n")
    (body,) = bodies
    assert (body["prompt"], body["user_id"]) == (prompt, "ada")
    assert result.stderr == (
        f"(memory from Redis, stored in the queue)\nContinue with: hybrid-memory chat --thread {body['thread_id']}\n"
    )
    as_json = CliRunner().invoke(app, ["chat", *words, "--thread", "t", "--json"], input=typed)
    answer = json.loads(as_json.stdout)
    assert (answer["thread_id"], answer["memory"]["source"], as_json.stderr) == ("t", "redis", "")


@pytest.mark.parametrize(
    ("words", "typed", "message"),
    [
        ([], b"", "There is no message"),
        ([], b"\n", "There is no message"),
        ([], b"a\xff", "The input is not UTF-8: byte 2 is invalid."),
        (["x", "--thread", "a\nb"], b"", "printable"),
        (["x", "--user", ""], b"", "1 to 255"),
    ],
)
def test_a_wrong_message_is_a_usage_error(words: list[str], typed: bytes, message: str) -> None:
    """An empty or malformed input, and an invalid id, have exit code 2."""
    result = CliRunner().invoke(app, ["chat", *words, "--api-url", API_URL], input=typed)
    assert (result.exit_code, message in result.stderr, result.stdout) == (2, True, "")


@pytest.mark.parametrize(("status", "code"), [(422, 2), (503, 3)])
def test_an_error_has_its_exit_code(status: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused message has exit code 2, and an outage has 3."""
    use_fake_api(monkeypatch, lambda _: problem(status))
    result = CliRunner().invoke(app, ["chat", "x"])
    assert (result.exit_code, result.stdout) == (code, "")


@pytest.mark.parametrize(
    ("source", "degraded", "durability", "badge"),
    [
        ("none", (), "queue", "(no memory yet, stored in the queue)"),
        ("postgres", ("redis",), "postgres", "(memory from PostgreSQL, Redis did not respond, stored in PostgreSQL)"),
        ("redis", ("queue",), "none", "(memory from Redis, the queue did not respond, NOT stored)"),
    ],
)
def test_the_badge_names_the_layers(source: Any, degraded: tuple[str, ...], durability: Any, badge: str) -> None:
    """The badge says where the memory came from and where the turn is stored."""
    assert format_badge(MemoryReport(source, degraded, durability, cached=True)) == badge


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_refused = body["prompt"] == "refuse"
        answer = {"status": 422, "detail": "refused", "request_id": "r"} if is_refused else _answer(body)
        self.send_response(422 if is_refused else 200)
        self.send_header("Content-Type", "application/problem+json" if is_refused else "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    """Serve an API whose answers repeat the prompt."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/local"
        server.shutdown()
        thread.join()


def _chat(url: str, typed: list[str], directory: Path) -> tuple[int, str]:
    """Run `chat` on a terminal and type the next text at each prompt. Return the exit code and the output."""
    command = [sys.executable, "-c", "from cli.main import app; app()", "chat", "--thread", "demo", "--api-url", url]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT}/clients/python/src", "XDG_STATE_HOME": str(directory), "NO_COLOR": "1"}
    run = run_on_terminal(command, environment, typed=[("> ", keys) for keys in typed], directory=directory)
    return run.code, run.text


def test_a_conversation_goes_on_until_ctrl_d(url: str, tmp_path: Path) -> None:
    """Each line is a message, also after an error. The arrow keys repeat messages of the previous conversation."""
    code, output = _chat(url, ["first\n", "\n", "refuse\n", "second\n", "\x04"], tmp_path)
    assert code == 0
    assert "Ctrl-D ends the conversation." in output
    # Markdown is rendered, so the asterisks are gone.
    assert "You said first" in output
    assert "You said second" in output
    assert output.count("(memory from Redis, stored in the queue)") == 2
    assert "Error: The API answered 422: refused" in output
    history = tmp_path / "hybrid-memory" / "chat_history"
    assert history.read_text().splitlines() == ["first", "refuse", "second"]
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    code, output = _chat(url, ["\x1b[A\n", "\x04"], tmp_path)
    assert (code, "You said second" in output) == (0, True)


def test_a_conversation_needs_no_history_file(url: str, tmp_path: Path) -> None:
    """The conversation works even if the history file cannot be written."""
    (tmp_path / "hybrid-memory").write_text("in the way")
    assert _chat(url, ["first\n", "\x04"], tmp_path)[0] == 0


def test_open_prints_the_url_without_a_terminal() -> None:
    """The page's URL ends with a slash."""
    result = CliRunner().invoke(app, ["open", "--api-url", API_URL])
    assert (result.exit_code, result.stdout) == (0, f"{API_URL}/\n")
    as_json = CliRunner().invoke(app, ["open", "--api-url", f"{API_URL}/", "--json"])
    assert json.loads(as_json.stdout)["url"] == f"{API_URL}/"


def test_open_starts_the_browser_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, `open` opens a browser. With `--print`, or if no browser opens, it only prints the URL."""
    opened: list[str] = []
    monkeypatch.setattr("cli.open_page.is_terminal", lambda: True)

    def open_once(url: str) -> bool:
        opened.append(url)
        return len(opened) == 1

    monkeypatch.setattr("webbrowser.open", open_once)
    outputs = [
        CliRunner().invoke(app, ["open", *options, "--api-url", API_URL]).stdout for options in ([], ["--print"], [])
    ]
    assert outputs == [f"Opened {API_URL}/\n", f"{API_URL}/\n", f"{API_URL}/\n"]
    assert opened == [f"{API_URL}/"] * 2
