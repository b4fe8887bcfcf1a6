"""`hybrid-memory import` sets the explicit memories of an export, and counts the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.support.fake_api import problem, use_fake_api

TIME = "2026-11-22T16:08:00.139000Z"


def _memory(text: object = "Likes tea", **fields: object) -> dict[str, Any]:
    memory = {"id": str(uuid4()), "kind": "fact", "text": text, "source": "explicit", "valid_from": TIME, **fields}
    return {"evidence": [], "created_at": TIME, **{name: value for name, value in memory.items() if value is not None}}


def _line(memory: object, user_id: str | None = "ada") -> dict[str, Any]:
    return {"kind": "memory", "user_id": user_id, "memory": memory}


class FakeApi:
    """Stores memories by user."""

    def __init__(self) -> None:
        self.memories: dict[str, list[dict[str, Any]]] = {}
        self.refused: set[str] = set()

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        assert request.url.path.startswith("/prod/users/"), request.url
        assert request.url.path.endswith("/memories")
        memories = self.memories.setdefault(request.url.path.split("/")[3], [])
        if request.method == "GET":
            assert request.url.params["include_superseded"] == "true"
            return httpx.Response(200, json={"items": memories, "omitted": 0, "next_cursor": None, "degraded": []})
        body = json.loads(request.content)
        if body["text"] in self.refused:
            return problem(422, detail="a user has at most 1000 explicit memories", errors=[])
        memories.insert(0, _memory(**body))
        return httpx.Response(201, json=memories[0])

    def texts(self, user_id: str = "ada") -> list[str]:
        """Return the texts of a user's memories, the newest first."""
        return [each["text"] for each in self.memories.get(user_id, [])]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Let the command use an API that stores memories."""
    created = FakeApi()
    use_fake_api(monkeypatch, created.handle)
    return created


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Return a function that imports a file of these lines."""

    def invoke(*lines: object, options: tuple[str, ...] = ("--yes",)) -> Result:
        file = tmp_path / "ada.ndjson"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return CliRunner().invoke(app, ["import", str(file), "--rate", "500", *options])

    return invoke


def test_each_memory_is_set_or_counted(api: FakeApi, run: Any) -> None:
    """Explicit memories of several users are set; learned ones and those that have ended are counted."""
    ended = {"valid_to": "2026-11-22T17:00:00Z"}
    lines = [
        _line(_memory("newest")),
        _line(_memory("learned", source="learned")),
        _line(_memory("metric", kind="preference", key="units")),
        _line(_memory("ended", **ended)),
        _line(_memory("ended, learned", source="learned", **ended)),
        _line(_memory("later", valid_to="2999-01-01T00:00:00Z")),
        _line(_memory("of bob"), "bob"),
        _line(_memory("oldest")),
    ]
    preview = json.loads(run(*lines, options=("--json",)).stdout)
    counts = {"memories": 5, "memories_to_learn": 2, "memories_ended": 1, "users": 2, "memories_set": 0}
    assert {name: preview[name] for name in counts} == counts
    assert api.memories == {}
    result = run(*lines)
    assert result.exit_code == 0, result.output
    assert "Set 5 explicit memories.\n2 learned memories of the file can be learned again" in result.stdout
    assert "Not imported: 1 explicit memory that ended before the export." in result.stdout
    assert (api.texts(), api.texts("bob")) == (["oldest", "newest", "metric", "later"], ["of bob"])
    assert "Set 0 explicit memories; the users have 5 of the file already." in run(*lines).stdout
    assert len(api.texts()) == 4


def test_a_second_preference_of_a_name_is_reported(api: FakeApi, run: Any) -> None:
    """Corrections can leave two preferences of one name. The newest one is set, and the other one is reported."""
    lines = [_line(_memory(text, kind="preference", key="likes")) for text in ("tea", "coffee")]
    result = run(*lines)
    assert (result.exit_code, api.texts()) == (0, ["tea"])
    assert "ada.ndjson:2: is another preference likes" in result.stderr


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (_line(None), "is not a JSON object"),
        (_line(_memory(), None), "user_id is missing"),
        (_line(_memory(), "a\nb"), "user_id "),
        (_line(_memory(source=None)), "source is missing"),
        (_line(_memory(source="guessed")), "source is neither"),
        (_line(_memory(id=None)), "id is missing"),
        (_line(_memory(id="m")), "id is not a UUID"),
        (_line(_memory(kind="summary")), "neither fact nor preference"),
        (_line(_memory(kind="preference")), "needs a key"),
        (_line(_memory(key="units")), "needs a key"),
        (_line(_memory(kind="preference", key="a:b")), "no colon"),
        (_line(_memory(kind="preference", key="k" * 256)), "1 to 255"),
        (_line(_memory(kind="preference", key="\0")), "key "),
        (_line(_memory(text="x" * 501)), "1 to 500"),
        (_line(_memory(text=" ")), "white space"),
        (_line(_memory(text="\0")), "text "),
        (_line(_memory(text=7)), "text is not text"),
        (_line(_memory(valid_to="soon")), "valid_to is not a time"),
    ],
)
def test_an_invalid_memory_is_reported_with_its_line(line: object, reason: str, api: FakeApi, run: Any) -> None:
    """What the API would refuse is invalid, and nothing is set unless the user skips invalid lines."""
    result = run(_line(_memory("fine")), line)
    assert result.exit_code == 1
    assert f"ada.ndjson:2: {reason}" in result.stderr or reason in result.stderr
    assert api.memories == {}
    assert run(_line(_memory("fine")), line, options=("--yes", "--skip-invalid")).exit_code == 0
    assert api.texts() == ["fine"]


def test_the_user_can_be_named_by_an_option(api: FakeApi, run: Any) -> None:
    """A memory without a user is of the user that `--user` names."""
    assert run(_line(_memory(), None), options=("--yes", "--user", "bob")).exit_code == 0
    assert api.texts("bob") == ["Likes tea"]


def test_a_refused_memory_stops_the_import(api: FakeApi, run: Any) -> None:
    """A refusal of the API is reported with its line, and stops the import unless the user skips it."""
    api.refused = {"bad"}
    lines = [_line(_memory(text)) for text in ("last", "bad", "first")]
    result = run(*lines)
    assert (result.exit_code, api.texts()) == (1, ["first"])
    assert "ada.ndjson:2: the API refused it" in result.stderr
    answer = json.loads(run(*lines, options=("--yes", "--skip-invalid", "--json")).stdout)
    assert (answer["memories_set"], answer["memories_known"], len(answer["refused"])) == (1, 1, 1)
    assert api.texts() == ["last", "first"]
