"""`make run` prints one line for each step of its start. Then it lists what runs, in lines that fit a terminal."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import pytest

from infra.local.announcement import announce, shown_path
from infra.local.console import Console
from infra.local.environment import USUAL_PORTS

_URL = "http://127.0.0.1:31999/_aws/execute-api/1a2b3c4d/local"
_PAGE_URL = "http://127.0.0.1:28765/#local=abcdefghijklmnopqrstuv"


@pytest.fixture(autouse=True)
def _usual_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(Path.cwd() / ".venv" / "bin" / "python"))


class Terminal(StringIO):
    """A terminal that records what is written."""

    def isatty(self) -> bool:
        """Return True, as a terminal does."""
        return True


class Closed(StringIO):
    """A pipe whose reader has ended."""

    def write(self, text: str, /) -> int:
        """Fail, as a pipe without a reader does."""
        raise BrokenPipeError(text)


def _announce(
    model: str = "offline",
    *,
    needs_token: bool = False,
    ports: dict[str, int] | None = None,
    state_dir: Path = Path(".local"),
) -> str:
    return announce(
        _URL,
        page_url=_PAGE_URL,
        model=model,
        needs_token=needs_token,
        ports=ports or USUAL_PORTS,
        stack_file=Path.cwd() / state_dir / "stack.json",
        valkey_pid=1_234_567,
    )


def test_a_pipe_gets_one_line_for_each_step() -> None:
    """In a pipe, a step is one plain line. A failed step has no line, because its error follows."""
    output = StringIO()
    console = Console(output)
    with console.step("PostgreSQL"):
        console.echo("in between")
    with pytest.raises(ValueError, match="broken"), console.step("AWS emulator"):
        raise ValueError("broken")
    assert output.getvalue() == "in between\n  PostgreSQL                0.0 s\n"


def test_a_terminal_shows_the_running_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal shows the running step in its last line, and replaces the line by the step's time."""
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    with Console(output).step("PostgreSQL"):
        assert output.getvalue() == "  PostgreSQL ..."
    assert output.getvalue() == "  PostgreSQL ...\r\x1b[K  PostgreSQL                0.0 s\n"


def test_a_terminal_without_control_codes_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """With TERM=dumb, the terminal gets the same lines as a pipe."""
    monkeypatch.setenv("TERM", "dumb")
    output = Terminal()
    with Console(output).step("PostgreSQL"):
        pass
    assert output.getvalue() == "  PostgreSQL                0.0 s\n"


def test_a_closed_pipe_is_no_failure() -> None:
    """A closed pipe is no failure, neither for a line nor for a step."""
    console = Console(Closed(), Closed())
    console.echo("text")
    console.echo("error", error=True)
    with console.step("PostgreSQL"):
        pass


def test_the_announcement_fits_a_terminal() -> None:
    """No line is longer than 80 characters, with the usual ports, with other ports, and with a long model name."""
    others = {name: port + 20_000 for name, port in USUAL_PORTS.items()}
    for text in (_announce(), _announce("bedrock:anthropic.claude-3-haiku-20240307-v1:0"), _announce(ports=others)):
        assert max(map(len, text.splitlines())) <= 80


def test_the_announcement_says_what_runs() -> None:
    """The announcement names the addresses, the model and the ports. It says whether each port is the usual port."""
    text = _announce(ports=USUAL_PORTS | {"valkey": 20_001})
    assert f"  Page            {_PAGE_URL}\n  API             {_URL}\n" in text
    assert "  Model           offline, a built-in demo without a key (AGENT__MODEL chooses)\n" in text
    assert "  PostgreSQL      127.0.0.1:5432, the usual port\n" in text
    assert "  Redis (Valkey)  127.0.0.1:20001, because 6379 is taken\n" in text
    assert "  All addresses   .local/stack.json\n" in text
    assert "kill -9 1234567\n" in text
    assert "token" not in text
    assert "  Model           ollama:llama3 (AGENT__MODEL)\n" in _announce("ollama:llama3")


def test_the_chat_finds_the_stack(tmp_path: Path) -> None:
    """The suggested command names the state directory unless it is the usual one."""
    assert "     .venv/bin/hybrid-memory chat --thread demo\n" in _announce()
    assert f" chat --thread demo --state-dir {tmp_path}\n" in _announce(state_dir=tmp_path)


def test_requests_with_tokens_are_suggested_with_a_token() -> None:
    """If requests need a token, the announcement says so, and its commands contain a token."""
    text = _announce(needs_token=True)
    assert "  Sign-in         requests need a token in HYBRID_MEMORY_TOKEN (AUTH__MODE=jwt)\n" in text
    assert '-H "Authorization: Bearer $HYBRID_MEMORY_TOKEN"' in text


def test_a_path_below_the_working_directory_is_relative(tmp_path: Path) -> None:
    """A path below the working directory is relative. Another path is absolute and quoted."""
    assert shown_path(Path.cwd() / ".local") == ".local"
    assert shown_path(Path(".local/stack.json")) == ".local/stack.json"
    assert shown_path(tmp_path / "with space") == f"'{tmp_path}/with space'"
